/**
 * Drawing clips with W.A.L.T's denoiser: what is given, frames beyond a clip, and enlarging.
 *
 * Clip i depends on the seed, i, its conditions and the settings only: not on the batch size, on how many are
 * drawn, or (but for rounding) on the device.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import {
  sampleBatch,
  sampleBatches,
  type SampleRequest,
  type SamplingProgress,
} from "../../diffusion/samples/batches.ts";
import { SamplerLoop } from "../../diffusion/sampler_loop.ts";
import type { LevelSchedule } from "../../diffusion/schedule.ts";
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { elementCount, type Shape } from "../../kernels/shape.ts";
import { type ClipCodec, clipLength } from "../clip_codec.ts";
import { type ClipSize, clipSize, type CodecGrid } from "../codec.ts";
import { framesOf, putFrames } from "../coder.ts";
import { type ClipConditions, conditionInputs } from "./clip_conditions.ts";
import type { WaltConfig } from "./model.ts";
import { keepGiven, waltSampling, type WaltSamplingSettings } from "./sampling.ts";

/** Which clips to draw. */
export interface ClipRequest extends Pick<SampleRequest, "seed" | "count" | "startNoise"> {
  /** What they are drawn under. */
  readonly conditions: ClipConditions;
}

/** A denoiser in the memory of a device. */
export interface LoadedWalt {
  readonly config: WaltConfig;
  readonly parameters: ReadonlyMap<string, DeviceBuffer>;
  /** That of its training; `zero-terminal` when absent. */
  readonly schedule?: LevelSchedule;
}

/** Frames, height and width of what a denoiser works on. */
export const latentClip = (
  { latentFrames, latentSize: [height, width] }: WaltConfig,
): ClipSize => ({
  frames: latentFrames,
  height,
  width,
});

/** Latent frames that a clip is predicted from: the paper's two for video, one for a picture. */
export const givenFrames = { clip: 2, picture: 1 } as const;

/** Draws what a denoiser works on. */
export class WaltSampler {
  readonly #loop: SamplerLoop;

  /** @param config of the denoiser */
  private constructor(readonly config: WaltConfig, loop: SamplerLoop) {
    this.#loop = loop;
  }

  /** Compiles the sampler. */
  static async create(
    device: Device,
    { config, parameters, schedule }: LoadedWalt,
    settings: WaltSamplingSettings,
  ): Promise<WaltSampler> {
    const halves = [...parameters.values()].some(({ dtype }) => dtype === "f16");
    const process = waltSampling(config, { schedule, ...settings }, halves ? "f16" : "f32");
    return new WaltSampler(config, await SamplerLoop.create(device, process, parameters));
  }

  /** Number of network evaluations for one batch. */
  get stepCount(): number {
    return this.#loop.stepCount;
  }

  /** What is drawn, (n, c, F, h, w) each, n the batch size and fewer the last time. */
  async *batches(
    request: ClipRequest,
    progress?: SamplingProgress,
  ): AsyncGenerator<Float32Array> {
    let first = 0;
    for await (const drawn of sampleBatches(this.#loop, this.#sampling(request), progress)) {
      yield this.#withGiven(drawn, request, first);
      first += this.#clipsIn(drawn);
    }
  }

  /**
   * One batch, from clip `first` on.
   *
   * @param drawing which drawing of these clips it is
   */
  async batch(
    request: ClipRequest,
    first: number,
    drawing: number,
    progress?: SamplingProgress,
  ): Promise<Float32Array> {
    // Start noise that was made elsewhere is that of the first drawing.
    const sampling = { ...this.#sampling(request), drawing, startNoise: undefined };
    return this.#withGiven(
      await sampleBatch(this.#loop, sampling, first, progress),
      request,
      first,
    );
  }

  #sampling({ conditions, ...request }: ClipRequest): SampleRequest {
    return {
      ...request,
      conditions: (rows) =>
        conditionInputs(this.config, conditions, rows, (clip) => clip < request.count),
      noun: "clip",
    };
  }

  #clipsIn(drawn: Float32Array): number {
    return drawn.length / clipLength(this.config.latentChannels, latentClip(this.config));
  }

  /** What was drawn, with the frames that were given in their places. */
  #withGiven(drawn: Float32Array, { conditions }: ClipRequest, first: number): Float32Array {
    if (!conditions.given) return drawn;
    const rows = Int32Array.from({ length: this.#clipsIn(drawn) }, (_, index) => first + index);
    const inputs = conditionInputs(this.config, conditions, rows, () => true);
    const given = inputs.get("frameCondition") as Float32Array;
    return keepGiven(drawn, given, inputs.get("frameMask") as Int32Array, this.config);
  }

  /** Frees the programs; the parameters stay. */
  destroy(): void {
    this.#loop.destroy();
  }
}

/** Frames that long clips grow by: those of a clip without the ones that it is predicted from. */
export function framesAdded({ latentFrames }: WaltConfig, grid: CodecGrid): number {
  return (latentFrames - givenFrames.clip) * grid.frames;
}

/** Frames of a clip that are so many latent ones. */
export const framesBehind = (grid: CodecGrid, latentFrames: number): number =>
  1 + (latentFrames - 1) * grid.frames;

/**
 * How often a clip is continued until it has so many frames.
 *
 * @throws InputError with the nearest numbers for one that cannot be
 */
export function continuations(config: WaltConfig, grid: CodecGrid, frames: number): number {
  const [least, added] = [framesBehind(grid, config.latentFrames), framesAdded(config, grid)];
  const times = added > 0 ? (frames - least) / added : 0;
  if (frames === least || (added > 0 && times > 0 && Number.isInteger(times))) return times;
  const below = Math.max(0, Math.floor(times));
  const near = frames < least || added <= 0
    ? `${least}`
    : [below, below + 1].map((count) => least + count * added).join(" and ");
  throw new InputError(
    `${frames} frames: clips of this model have ${least}, and long ones ${added} more each time; ` +
      `nearest: ${near}`,
  );
}

/** Clips of a request that are to be continued. */
export interface LongClips {
  /** Clips `first` to `first + n - 1` as they were drawn, (n, C, T, H, W) in [-1, 1]. */
  readonly clips: Float32Array;
  readonly first: number;
  /** How often. */
  readonly times: number;
}

/**
 * Continues clips, the paper's autoregressive generation: their last frames are encoded again, for a
 * tokenizer treats the first frame of a clip unlike the others, and the rest is predicted from them.
 *
 * @returns the longer clips
 */
export async function continueClips(
  sampler: WaltSampler,
  codec: ClipCodec,
  request: ClipRequest,
  { clips, first, times }: LongClips,
  progress?: SamplingProgress,
): Promise<Float32Array> {
  const { config } = sampler;
  const size = clipSize(codec.grid, latentClip(config));
  const count = clips.length / clipLength(codec.colours, size);
  const shapeOf = (frames: number) => [count, codec.colours, frames, size.height, size.width];
  const known = framesBehind(codec.grid, givenFrames.clip);
  let [longer, frames] = [clips, size.frames];
  for (let time = 1; time <= times; time++) {
    const last = framesOf(longer, shapeOf(frames), frames - known, known);
    const latents = await codec.encode(last, { ...size, frames: known });
    const given = givenFrom(config, latents, givenFrames.clip, (clip) => clip - first);
    const conditions = { ...request.conditions, given };
    const drawn = await sampler.batch({ ...request, conditions }, first, time, progress);
    const decoded = await codec.decode(drawn, latentClip(config));
    const added = framesOf(decoded, shapeOf(size.frames), known, size.frames - known);
    longer = joinFrames([longer, shapeOf(frames)], [added, shapeOf(size.frames - known)]);
    frames += size.frames - known;
  }
  return longer;
}

/** Clips (n, C, ..., H, W) behind others. */
function joinFrames(...parts: readonly (readonly [Float32Array, Shape])[]): Float32Array {
  const total = parts.reduce((sum, [, shape]) => sum + shape[2], 0);
  const whole = parts[0][1].with(2, total);
  const joined = new Float32Array(elementCount(whole));
  let position = 0;
  for (const [part, { 2: frames }] of parts) {
    putFrames(part, joined, whole, position, frames);
    position += frames;
  }
  return joined;
}

/**
 * Frames that are given, as conditions.
 *
 * @param latents (n, c, given, h, w)
 * @param frames how many are given
 * @param place which of the n a clip has
 */
export function givenFrom(
  { latentChannels, latentFrames, latentSize }: WaltConfig,
  latents: Float32Array,
  frames: number,
  place: (clip: number) => number,
): NonNullable<ClipConditions["given"]> {
  const shape = [1, latentChannels, frames, ...latentSize];
  const whole = shape.with(2, latentFrames);
  const length = elementCount(shape);
  return {
    frames,
    latents(clip, out) {
      const start = place(clip) * length;
      putFrames(latents.subarray(start, start + length), out, whole, 0, frames);
    },
  };
}
