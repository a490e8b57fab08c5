/**
 * Coding clips of any length on a device: chunk after chunk, with what each layer must remember of the
 * frames before, in memory that does not grow with the length. The numbers are those of the clip in one
 * piece, and no frame is computed twice.
 *
 * @module
 */
import { InputError } from "../base/errors.ts";
import type { Device, DeviceBuffer, DeviceKind, Executable } from "../kernels/device.ts";
import { allocatedBytes, programAllocations } from "../kernels/footprint.ts";
import { compile } from "../kernels/graph/compile.ts";
import { type Graph, graphCost, makeGraph, type Update } from "../kernels/graph/graph.ts";
import { broadcastTo, concatenate, slice } from "../kernels/ops/movement/op.ts";
import type { Program } from "../kernels/program.ts";
import { elementCount, type Shape, storedBytes } from "../kernels/shape.ts";
import { constantTensor, input, state, type Tensor } from "../kernels/tensor.ts";
import type { FamilyConfig } from "../nn/config.ts";
import { lookup, type ParameterSpecification, parameterStates } from "../nn/parameters.ts";
import { checkClipSize, type ClipSize, type CodecFace, latentSize, type Past } from "./codec.ts";

/** A codec of a family with a configuration. */
export interface Codec<Config extends FamilyConfig = FamilyConfig> {
  /** Its networks. */
  readonly face: CodecFace<Config>;
  /** Size and shape. */
  readonly config: Config;
  /** The parameters in declaration order. */
  readonly specifications: readonly ParameterSpecification[];
}

/** From pixels to latents, or back. */
export type Direction = "encode" | "decode";

/** What a clip is coded with. */
export interface CodingSettings {
  /** Which way. */
  readonly direction: Direction;
  /** Clips at a time. */
  readonly batch: number;
  /** Frames and sides of the clips, in pixels. */
  readonly clip: ClipSize;
  /** Latent frames of each chunk, in order; together those of the clip. */
  readonly chunks: readonly number[];
}

/** One chunk of a clip, as far as its program depends on it. */
interface Chunk {
  /** Latent frames. */
  readonly frames: number;
  /** Whether it begins the clip. */
  readonly isFirst: boolean;
  /** Whether others come behind it. */
  readonly isRemembered: boolean;
}

/** Layers remember their last frames in states that the programs of all chunks share. */
class RememberedFrames implements Past {
  readonly updates: Update[] = [];
  readonly isFirst: boolean;
  readonly #isRemembered: boolean;
  #layers = 0;

  constructor({ isFirst, isRemembered }: Chunk) {
    this.isFirst = isFirst;
    this.#isRemembered = isRemembered;
  }

  behind(x: Tensor, count: number): Tensor {
    if (count === 0 || (this.isFirst && !this.#isRemembered)) return x;
    const [batch, , ...rest] = x.shape;
    const memory = state(`frames before layer ${this.#layers++}`, [batch, count, ...rest]);
    const seen = this.isFirst ? x : concatenate([memory, x], 1);
    if (this.#isRemembered) this.updates.push({ state: memory, value: lastFrames(seen, count) });
    return seen;
  }
}

/** The last frames of x along axis 1; zeros before its first one where it has fewer. */
function lastFrames(x: Tensor, count: number): Tensor {
  const [batch, frames, ...rest] = x.shape;
  if (frames >= count) return slice(x, 1, frames - count, count);
  const zero = constantTensor(Float32Array.of(0), [1, 1, ...rest.map(() => 1)]);
  return concatenate([broadcastTo(zero, [batch, count - frames, ...rest]), x], 1);
}

/** Frames of a chunk in pixels. */
const pixelFrames = ({ frames, isFirst }: Chunk, step: number): number =>
  isFirst ? 1 + (frames - 1) * step : frames * step;

/** Shapes of what goes into a chunk and what comes out of it. */
function shapesOf(
  { face, config }: Codec,
  { direction, batch, clip }: CodingSettings,
  chunk: Chunk,
): { readonly from: Shape; readonly to: Shape } {
  const grid = face.grid(config);
  const { height, width } = latentSize(grid, clip);
  const pixels = [batch, 3, pixelFrames(chunk, grid.frames), clip.height, clip.width];
  const latents = [batch, grid.channels, chunk.frames, height, width];
  return direction === "encode" ? { from: pixels, to: latents } : { from: latents, to: pixels };
}

/** The graph of a chunk, from `in` to `out`. */
function chunkGraph(codec: Codec, settings: CodingSettings, chunk: Chunk): Graph {
  const { face, config, specifications } = codec;
  const parameters = lookup(parameterStates(specifications));
  const past = new RememberedFrames(chunk);
  const from = input("in", shapesOf(codec, settings, chunk).from);
  const out = face[settings.direction](config, parameters, from, past);
  const name = `${settings.direction} ${chunk.isFirst ? "the first" : "a"} chunk`;
  return makeGraph(name, { outputs: { out }, updates: past.updates });
}

/** The chunks of a clip. */
function chunksOf({ chunks }: CodingSettings): Chunk[] {
  const isRemembered = chunks.length > 1;
  return chunks.map((frames, index) => ({ frames, isFirst: index === 0, isRemembered }));
}

/** What tells the programs of chunks apart. */
const keyOf = ({ frames, isFirst }: Chunk): string => `${isFirst} ${frames}`;

/** The programs of a plan, each once. */
function programsOf(codec: Codec, settings: CodingSettings): Map<string, Program> {
  const different = new Map(chunksOf(settings).map((chunk) => [keyOf(chunk), chunk]));
  return new Map(
    [...different].map(([key, chunk]) => [key, compile(chunkGraph(codec, settings, chunk))]),
  );
}

/** States of programs, by name. */
function statesOf(programs: Iterable<Program>): Map<string, { readonly elements: number }> {
  const states = [...programs].flatMap(({ buffers }) =>
    buffers.filter(({ kind }) => kind === "state")
  );
  return new Map(states.map((buffer) => [buffer.name, buffer]));
}

/**
 * Most bytes that coding a clip takes on a device: weights and what layers remember, the programs of
 * one chunk at a time, scratch of the threads.
 */
export function codingMemory(
  codec: Codec,
  settings: CodingSettings,
  { kind, threads }: { readonly kind: DeviceKind; readonly threads: number },
): number {
  const programs = [...programsOf(codec, settings).values()];
  const states = statesOf(programs);
  const sum = (sizes: Iterable<number>): number =>
    [...sizes].reduce((total, bytes) => total + allocatedBytes(bytes, kind), 0);
  const held = sum([...states.values()].map(({ elements }) => storedBytes("f32", elements)));
  const bound = new Set(states.keys());
  const own = programs.map((program) =>
    sum(programAllocations(program, kind, bound).map(({ bytes }) => bytes))
  );
  const scratch = kind.threads ? threads * allocatedBytes(kind.threads.scratchBytes, kind) : 0;
  return held + Math.max(...own) + scratch;
}

/** Multiply-adds of coding a batch of clips. */
export function codingCost(codec: Codec, settings: CodingSettings): number {
  return chunksOf(settings)
    .map((chunk) => graphCost(chunkGraph(codec, settings, chunk)).multiplyAdds)
    .reduce((total, multiplyAdds) => total + multiplyAdds, 0);
}

/** Ways to divide so many latent frames, the one with the fewest chunks first. */
export function chunkPlans(frames: number): number[][] {
  const plans = [[frames]];
  for (let size = 2 ** Math.floor(Math.log2(Math.max(frames - 1, 1))); size >= 1; size /= 2) {
    const later = Array.from(
      { length: Math.ceil((frames - 1) / size) },
      (_, index) => Math.min(size, frames - 1 - index * size),
    );
    if (later.length > 0) plans.push([1, ...later]);
  }
  return plans;
}

/**
 * The plan with the fewest chunks that fits into the memory of a device.
 *
 * @throws InputError when not even single latent frames fit
 */
export async function planChunks(
  codec: Codec,
  settings: Omit<CodingSettings, "chunks">,
  target: { readonly kind: DeviceKind; readonly threads: number },
): Promise<number[]> {
  const { clip, direction } = settings;
  const { total, buffer, owner } = await target.kind.limits();
  const limit = total ?? buffer;
  const plans = chunkPlans(latentSize(codec.face.grid(codec.config), clip).frames);
  const needed = (chunks: number[]) => codingMemory(codec, { ...settings, chunks }, target);
  const found = plans.find((chunks) => needed(chunks) <= limit);
  if (found) return found;
  const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new InputError(
    `${direction}: frames of ${clip.height} x ${clip.width} take ${
      mebibytes(needed(plans.at(-1)!))
    }, ${owner} has ${mebibytes(limit)}; take smaller ones`,
  );
}

/** Called behind every chunk: latent frames done, of how many. */
export type CodingProgress = (done: number, total: number) => void | Promise<void>;

/** Codes clips of one size in one direction on a device. */
export class Coder implements Disposable {
  readonly #device: Device;
  readonly #codec: Codec;
  readonly #settings: CodingSettings;
  readonly #programs: ReadonlyMap<string, Program>;
  readonly #states: ReadonlyMap<string, DeviceBuffer>;
  /** The program in memory: those of other chunks take its place. */
  #loaded: { readonly key: string; readonly executable: Executable } | undefined;

  private constructor(
    device: Device,
    codec: Codec,
    settings: CodingSettings,
    programs: ReadonlyMap<string, Program>,
    states: ReadonlyMap<string, DeviceBuffer>,
  ) {
    this.#device = device;
    this.#codec = codec;
    this.#settings = settings;
    this.#programs = programs;
    this.#states = states;
  }

  /**
   * Compiles the programs and takes over the weights that the direction needs.
   *
   * @param weights the values of a parameter
   * @throws InputError for a clip that the codec does not take
   * @throws RangeError for chunks that do not make up the clip
   */
  static create(
    device: Device,
    codec: Codec,
    settings: CodingSettings,
    weights: (name: string) => Float32Array,
  ): Coder {
    const grid = codec.face.grid(codec.config);
    checkClipSize(grid, settings.clip, settings.direction);
    const { frames } = latentSize(grid, settings.clip);
    const { chunks } = settings;
    const sum = chunks.reduce((total, count) => total + count, 0);
    if (sum !== frames || !chunks.every((count) => Number.isInteger(count) && count >= 1)) {
      throw new RangeError(`chunks of ${chunks.join(", ")} are not ${frames} latent frames`);
    }
    const programs = programsOf(codec, settings);
    const parameters = new Set(codec.specifications.map(({ name }) => name));
    const states = new Map<string, DeviceBuffer>();
    for (const [name, { elements }] of statesOf(programs.values())) {
      const buffer = device.createBuffer(name, "f32", elements);
      if (parameters.has(name)) buffer.write(weights(name));
      states.set(name, buffer);
    }
    return new Coder(device, codec, settings, programs, states);
  }

  /**
   * Codes a batch of clips.
   *
   * @param from (N, 3, frames, H, W) in [-1, 1] to encode, (N, c, f, h, w) to decode; row-major
   * @returns (N, c, f, h, w) or (N, 3, frames, H, W)
   */
  async run(from: Float32Array, progress?: CodingProgress): Promise<Float32Array> {
    const chunks = chunksOf(this.#settings);
    const total = chunks.reduce((sum, { frames }) => sum + frames, 0);
    const whole = this.#shapes({ frames: total, isFirst: true, isRemembered: false });
    if (from.length !== elementCount(whole.from)) {
      throw new RangeError(`${from.length} elements are not clips of (${whole.from.join(", ")})`);
    }
    const to = new Float32Array(elementCount(whole.to));
    let [done, read, written] = [0, 0, 0];
    for (const chunk of chunks) {
      const { from: taken, to: given } = this.#shapes(chunk);
      const executable = await this.#load(chunk);
      executable.buffer("in").write(framesOf(from, whole.from, read, taken[2]));
      executable.run();
      const out = await executable.buffer("out").read() as Float32Array;
      putFrames(out, to, whole.to, written, given[2]);
      read += taken[2];
      written += given[2];
      done += chunk.frames;
      await progress?.(done, total);
    }
    return to;
  }

  #shapes(chunk: Chunk) {
    return shapesOf(this.#codec, this.#settings, chunk);
  }

  /** The program of a chunk; the one before leaves memory first. */
  async #load(chunk: Chunk): Promise<Executable> {
    const key = keyOf(chunk);
    if (this.#loaded?.key === key) return this.#loaded.executable;
    this.#unload();
    const executable = await this.#device.load(this.#programs.get(key)!, this.#states);
    this.#loaded = { key, executable };
    return executable;
  }

  #unload(): void {
    this.#loaded?.executable.destroy();
    this.#loaded = undefined;
  }

  /** Frees everything on the device. */
  [Symbol.dispose](): void {
    this.#unload();
    for (const buffer of this.#states.values()) buffer.destroy();
  }
}

/** Frames `first` to `first + count - 1` of clips (N, C, F, H, W). */
function framesOf(clips: Float32Array, shape: Shape, first: number, count: number): Float32Array {
  const { planes, frames, pixels } = planesOf(shape);
  const taken = new Float32Array(planes * count * pixels);
  for (let plane = 0; plane < planes; plane++) {
    const start = (plane * frames + first) * pixels;
    taken.set(clips.subarray(start, start + count * pixels), plane * count * pixels);
  }
  return taken;
}

/** Puts frames (N, C, count, H, W) into clips (N, C, F, H, W). */
function putFrames(
  from: Float32Array,
  clips: Float32Array,
  shape: Shape,
  first: number,
  count: number,
): void {
  const { planes, frames, pixels } = planesOf(shape);
  for (let plane = 0; plane < planes; plane++) {
    const part = from.subarray(plane * count * pixels, (plane + 1) * count * pixels);
    clips.set(part, (plane * frames + first) * pixels);
  }
}

const planesOf = ([batch, channels, frames, height, width]: Shape) => ({
  planes: batch * channels,
  frames,
  pixels: height * width,
});
