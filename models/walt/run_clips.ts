/**
 * Clips drawn while a denoiser is trained: always the same seeds and classes, from the averaged
 * weights as they are on the device, so that the sheets of a run show what has changed.
 *
 * Everything the sampler needs is allocated before the first step and freed after the last. It only reads
 * the run's states, so that a run has the same bits with and without it.
 *
 * @module
 */
import { join } from "@std/path";
import { makeFolder } from "../../formats/files/folder.ts";
import { constantGuidance } from "../../diffusion/guidance.ts";
import {
  NonFiniteSampleError,
  SamplerLoop,
  type SamplerProcess,
} from "../../diffusion/sampler_loop.ts";
import { writeBytesAtomically } from "../../formats/files/atomic_file.ts";
import type { Clip } from "../../formats/video/clip.ts";
import type { Device } from "../../kernels/device.ts";
import type { SampleSchedule } from "../../training/checkpoints/manifest.ts";
import { checkpointName, samplesFolder } from "../../training/runs/run_folder.ts";
import type { ParameterBuffers } from "../../training/step/trainer.ts";
import { type ClipSize, NonFiniteCodecError } from "../codec.ts";
import { conditionInputs } from "./clip_conditions.ts";
import type { WaltDataset } from "./conditions.ts";
import type { WaltConfig } from "./model.ts";
import { waltSampling } from "./sampling.ts";
import type { WaltRun } from "./settings.ts";
import { type SheetClips, sheetClips, sheetLength } from "./sheet_conditions.ts";

/** Strength of guidance, where the model can be guided. */
const guidanceScale = 2;

/** Frames a second of a sheet's clips, which do not move. */
const fps = 8;

/** What a model of pixels draws. */
const sizesOf = (
  { latentChannels: channels, latentFrames: frames, latentSize: [height, width] }: WaltConfig,
) => ({ channels, frames, height, width });

/** Whether a model can be compared with itself told neither class nor text. */
const isGuided = ({ classes, nullClass, textWidth }: WaltConfig): boolean =>
  classes === null ? textWidth !== null : nullClass;

/** How a run's clips are drawn. */
export function runSampling(
  { config, run: { schedule, text } }: Pick<WaltRun, "config" | "run">,
  { steps }: SampleSchedule,
): SamplerProcess {
  return waltSampling(config, {
    sampler: "ddim",
    ...{ steps, schedule },
    batchSize: sheetLength(config),
    words: text?.words,
    guidance: isGuided(config) ? constantGuidance(guidanceScale) : undefined,
  });
}

/** What makes clips of the latents that a model draws. */
export interface ClipDecoder {
  /** Path of the autoencoder. */
  readonly path: string;
  /** What the clips are like. */
  readonly clips: { readonly channels: number } & ClipSize;
  /** Latents (n, c, f, h, w) of the model as clips (n, C, F, H, W). */
  decode(latents: Float32Array): Promise<Float32Array>;
  /** Frees it. */
  destroy(): void;
}

/** Opens what decodes; undefined where a model draws pixels. */
export type OpenClipDecoder = () => Promise<ClipDecoder | undefined>;

/** That of a model of pixels. */
export const noClipDecoder: OpenClipDecoder = () => Promise.resolve(undefined);

/** Draws the clips of a run. */
export class RunClips {
  readonly #description: WaltRun;
  readonly #told: SheetClips;
  readonly #folder: string;
  readonly #loop: SamplerLoop;
  readonly #decoder: ClipDecoder | undefined;
  readonly #warn: (line: string) => void;

  private constructor(
    description: WaltRun,
    told: SheetClips,
    folder: string,
    loop: SamplerLoop,
    decoder: ClipDecoder | undefined,
    warn: (line: string) => void,
  ) {
    this.#description = description;
    this.#told = told;
    this.#folder = folder;
    this.#loop = loop;
    this.#decoder = decoder;
    this.#warn = warn;
  }

  /**
   * Compiles the sampler and binds it to the averages; sheets go to `samples/` of the run.
   *
   * @param dataset whose first clips tell what is drawn, where classes do not
   * @param warn gets a line when the clips of a step are not finite
   * @param openDecoder opens what decodes, where the model draws latents
   */
  static async create(
    device: Device,
    averages: ParameterBuffers,
    description: WaltRun,
    dataset: WaltDataset,
    schedule: SampleSchedule,
    run: string,
    warn: (line: string) => void = () => {},
    openDecoder: OpenClipDecoder = noClipDecoder,
  ): Promise<RunClips> {
    const folder = samplesFolder(run);
    await makeFolder(folder);
    const process = runSampling(description, schedule);
    const loop = await SamplerLoop.create(device, process, averages);
    const told = await sheetClips(dataset, description);
    return new RunClips(description, told, folder, loop, await openDecoder(), warn);
  }

  /** Writes the sheet of a step, such as `samples/0000500.png`; a run does not end for want of one. */
  async draw(step: number): Promise<void> {
    try {
      await this.#drawSheet(step);
    } catch (error) {
      const isNonFinite = error instanceof NonFiniteSampleError ||
        error instanceof NonFiniteCodecError;
      if (!isNonFinite) throw error;
      this.#warn(`warning: no clips of step ${step}: ${error.message}`);
    }
  }

  async #drawSheet(step: number): Promise<void> {
    const { config, run: { seed } } = this.#description;
    const { conditions, names } = this.#told;
    const rows = Int32Array.from(names, (_, clip) => clip);
    const values = await this.#loop.draw({
      seed,
      rows,
      conditions: conditionInputs(config, conditions, rows, () => true),
    });
    await this.#loop.requireFinite(values, () => "the clips");
    // What draws is loaded with the first sheet.
    const [{ toClips }, { clipSheet }] = await Promise.all([
      import("../../formats/video/clip.ts"),
      import("../../formats/video/clip_sheet.ts"),
    ]);
    const { channels, frames, height, width } = this.#decoder?.clips ?? sizesOf(config);
    const pixels = this.#decoder ? await this.#decoder.decode(values) : values;
    const shape = [rows.length, channels, frames, height, width] as const;
    const clips: Clip[] = toClips(pixels, shape, fps);
    const sheet = await clipSheet(clips, {
      title: `step ${step}`,
      subtitle: `ddim, ${this.#loop.stepCount} steps, seed ${seed}`,
      names,
    });
    await writeBytesAtomically(join(this.#folder, `${checkpointName(step)}.png`), sheet);
  }

  /** Frees the sampler. */
  destroy(): void {
    this.#loop.destroy();
    this.#decoder?.destroy();
  }
}
