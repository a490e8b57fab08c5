/**
 * Pictures drawn while a DiT is trained: always the same seeds and classes, from the averaged
 * weights as they are on the device, so that the grids of a run show what has changed.
 *
 * Everything the sampler needs is allocated before the first step and freed after the last. It only
 * reads the run's states, so that a run has the same bits with and without it.
 *
 * @module
 */
import { join } from "@std/path";
import { makeFolder } from "../../formats/files/folder.ts";
import { NonFiniteSampleError } from "../../diffusion/sampler_loop.ts";
import type { SamplingProgram } from "../../diffusion/sampling.ts";
import { writeBytesAtomically } from "../../formats/files/atomic_file.ts";
import type { Device } from "../../kernels/device.ts";
import { NonFiniteCodecError } from "../codec.ts";
import type { DiTConfig } from "./model.ts";
import { createDiTSampler } from "./sampling.ts";
import type { SampleSchedule } from "../../training/checkpoints/manifest.ts";
import type { DiTRun } from "./settings.ts";
import {
  type PictureModel,
  sampleGrid,
  samplesToBitmaps,
} from "../../diffusion/samples/picture_files.ts";
import { checkpointName, samplesFolder } from "../../training/runs/run_folder.ts";
import type { ParameterBuffers } from "../../training/step/trainer.ts";

/** Pictures in a grid, if the classes allow. */
const pictures = 10;

/** What is drawn: a few classes in turn. */
function labelsOf({ classes }: DiTConfig): number[] {
  const columns = Math.min(classes, pictures);
  return Array.from(
    { length: columns * Math.floor(pictures / columns) },
    (_, index) => index % columns,
  );
}

/** How a run's pictures are drawn: as `sample dit` does unless told, but by fewer steps. */
export function runSampling(
  { config, run: { latents, objective } }: Pick<DiTRun, "config" | "run">,
  { steps }: SampleSchedule,
) {
  return {
    sampler: objective === "flow" ? "heun" : "ddim",
    steps,
    objective,
    clipDenoised: !latents,
    batchSize: labelsOf(config).length,
    guidance: { scale: latents ? 4 : 2 },
  } as const;
}

/** What makes pictures of the latents that a model draws. */
export interface PictureDecoder {
  /** Path of the autoencoder. */
  readonly path: string;
  /** What the pictures are like. */
  readonly pictures: PictureModel;
  /** Latents (n, c, I, I) as pictures, those of the model. */
  decode(latents: Float32Array): Promise<Float32Array>;
  /** Frees it. */
  destroy(): void;
}

/** Opens what decodes; undefined where a model draws pictures. */
export type OpenDecoder = () => Promise<PictureDecoder | undefined>;

/** That of a model of pictures. */
export const noDecoder: OpenDecoder = () => Promise.resolve(undefined);

/** Draws the pictures of a run. */
export class RunSamples {
  readonly #device: Device;
  readonly #description: DiTRun;
  readonly #schedule: SampleSchedule;
  readonly #folder: string;
  readonly #program: SamplingProgram;
  readonly #decoder: PictureDecoder | undefined;
  readonly #warn: (line: string) => void;

  private constructor(
    device: Device,
    description: DiTRun,
    schedule: SampleSchedule,
    folder: string,
    program: SamplingProgram,
    decoder: PictureDecoder | undefined,
    warn: (line: string) => void,
  ) {
    this.#device = device;
    this.#description = description;
    this.#schedule = schedule;
    this.#folder = folder;
    this.#program = program;
    this.#decoder = decoder;
    this.#warn = warn;
  }

  /**
   * Compiles the sampler and binds it to the averages; pictures go to `samples/` of the run.
   *
   * @param warn gets a line when the pictures of a step are not finite
   * @param openDecoder opens what decodes, where the model draws latents
   */
  static async create(
    device: Device,
    averages: ParameterBuffers,
    description: DiTRun,
    schedule: SampleSchedule,
    run: string,
    warn: (line: string) => void = () => {},
    openDecoder: OpenDecoder = noDecoder,
  ): Promise<RunSamples> {
    const { config } = description;
    const folder = samplesFolder(run);
    await makeFolder(folder);
    const program = await createDiTSampler(
      device,
      config,
      averages,
      runSampling(description, schedule),
    );
    const decoder = await openDecoder();
    return new RunSamples(device, description, schedule, folder, program, decoder, warn);
  }

  /** Writes the grid of a step, such as `samples/0000500.png`; a run does not end for want of one. */
  async draw(step: number): Promise<void> {
    try {
      await this.#drawGrid(step);
    } catch (error) {
      const isNonFinite = error instanceof NonFiniteSampleError ||
        error instanceof NonFiniteCodecError;
      if (!isNonFinite) throw error;
      this.#warn(`warning: no pictures of step ${step}: ${error.message}`);
    }
  }

  async #drawGrid(step: number): Promise<void> {
    const { config, classNames, run: { seed } } = this.#description;
    const { sampler, steps, clipDenoised, guidance } = runSampling(
      this.#description,
      this.#schedule,
    );
    const labels = labelsOf(config);
    const drawn = await this.#program.sample({ seed, labels });
    const { path, pictures = config } = this.#decoder ?? {};
    const values = this.#decoder ? await this.#decoder.decode(drawn) : drawn;
    const grid = await sampleGrid(samplesToBitmaps(values, pictures), {
      decoder: path === undefined ? undefined : { path, pictures },
      weights: "averages of the run",
      step,
      config,
      sampler,
      samplingSteps: steps,
      clipDenoised,
      cfgScale: guidance.scale,
      cfgChannels: "all",
      seed,
      device: this.#device.description,
      labels,
      classNames,
    }, {
      title: `step ${step}`,
      subtitle: `${sampler}, ${steps} steps, guidance ${guidance.scale}, seed ${seed}`,
    });
    await writeBytesAtomically(join(this.#folder, `${checkpointName(step)}.png`), grid);
  }

  /** Frees the sampler. */
  destroy(): void {
    this.#program.destroy();
    this.#decoder?.destroy();
  }
}
