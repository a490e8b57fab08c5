/**
 * Pictures and what an autoencoder makes of them while it is trained: always the same ones, through the
 * averaged weights as they are on the device, so that the sheets of a run show what has changed.
 *
 * Everything is allocated before the first step and freed after the last. It only reads the run's
 * states, so that a run has the same bits with and without it.
 *
 * @module
 */
import { join } from "@std/path";
import { type ImageDataset, pictureLength } from "../../data/dataset.ts";
import { writeBytesAtomically } from "../../formats/files/atomic_file.ts";
import { toBitmaps } from "../../formats/pictures/bitmap.ts";
import { setPngMetadata } from "../../formats/pictures/png.ts";
import type { Device, Executable } from "../../kernels/device.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { makeGraph } from "../../kernels/graph/graph.ts";
import type { Program } from "../../kernels/program.ts";
import { checkpointName, samplesFolder } from "../../training/runs/run_folder.ts";
import type { ParameterBuffers } from "../../training/step/trainer.ts";
import { traceAutoencoderKL } from "./graph.ts";
import type { AutoencoderKLConfig } from "./model.ts";
import type { AutoencoderKLRun } from "./settings.ts";

/** Pictures on a sheet. */
const pictures = 10;

/** What makes reconstructions of pictures of a side: through the means of the posteriors. */
export function reconstructionProgram(config: AutoencoderKLConfig, imageSize: number): Program {
  const clip = { frames: 1, height: imageSize, width: imageSize };
  const { out } = traceAutoencoderKL(config, { batch: pictures, clip });
  return compile(makeGraph("reconstructions", { outputs: { reconstructions: out } }));
}

/** Draws the reconstructions of a run. */
export class RunReconstructions {
  readonly #run: AutoencoderKLRun;
  readonly #folder: string;
  readonly #executable: Executable;
  readonly #originals: Float32Array;

  private constructor(
    run: AutoencoderKLRun,
    folder: string,
    executable: Executable,
    originals: Float32Array,
  ) {
    this.#run = run;
    this.#folder = folder;
    this.#executable = executable;
    this.#originals = originals;
  }

  /** Loads the program, bound to the averages; sheets go to `samples/` of the run. */
  static async create(
    device: Device,
    averages: ParameterBuffers,
    description: AutoencoderKLRun,
    dataset: ImageDataset,
    run: string,
  ): Promise<RunReconstructions> {
    const { config, run: { imageSize } } = description;
    const folder = samplesFolder(run);
    await Deno.mkdir(folder, { recursive: true });
    const originals = new Float32Array(pictures * pictureLength(dataset));
    await dataset.read(spread(dataset.length), originals);
    const executable = await device.load(reconstructionProgram(config, imageSize), averages);
    executable.buffer("image").write(originals);
    return new RunReconstructions(description, folder, executable, originals);
  }

  /** Writes the sheet of a step, such as `samples/0000500.png`: originals above reconstructions. */
  async draw(step: number): Promise<void> {
    this.#executable.run();
    const found = await this.#executable.buffer("reconstructions").read();
    const { config: { channels }, run: { imageSize } } = this.#run;
    const bitmaps = [this.#originals, Float32Array.from(found)].flatMap((values) =>
      toBitmaps(values, [pictures, channels, imageSize, imageSize])
    );
    const { pictureGrid } = await import("../../formats/pictures/picture_grid.ts");
    const sheet = await pictureGrid(bitmaps, {
      title: `step ${step}`,
      columns: pictures,
      rowLabels: ["pictures", "reconstructions"],
    });
    const record = { weights: "averages of the run", step, config: this.#run.config };
    await writeBytesAtomically(
      join(this.#folder, `${checkpointName(step)}.png`),
      setPngMetadata(sheet, record, "reconstructions"),
    );
  }

  /** Frees the program. */
  destroy(): void {
    this.#executable.destroy();
  }
}

/** Pictures spread over a set of so many; they repeat in a smaller one. */
function spread(length: number): number[] {
  return Array.from({ length: pictures }, (_, index) => Math.floor(index * length / pictures));
}
