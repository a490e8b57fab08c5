/**
 * Samples and what a codec makes of them while it is trained: always the same ones, through the averaged
 * weights as they are on the device, so that the sheets of a run show what has changed.
 *
 * Everything is allocated before the first step and freed after the last. It only reads the run's
 * states, so that a run has the same bits with and without it.
 *
 * @module
 */
import { join } from "@std/path";
import { makeFolder } from "../../formats/files/folder.ts";
import { writeBytesAtomically } from "../../formats/files/atomic_file.ts";
import { setPngMetadata } from "../../formats/pictures/png.ts";
import type { Device, Executable } from "../../kernels/device.ts";
import type { Program } from "../../kernels/program.ts";
import type { FamilyConfig } from "../../nn/config.ts";
import { checkpointName, samplesFolder } from "../../training/runs/run_folder.ts";
import type { Drawer } from "../../training/runs/run.ts";
import type { ParameterBuffers } from "../../training/step/trainer.ts";

/** What makes reconstructions of samples. */
export interface ReconstructionProgram {
  /** From the input to the output `reconstructions`; its states are parameters. */
  readonly program: Program;
  /** Name of the input. */
  readonly input: string;
  /** Samples in it. */
  readonly batch: number;
}

/** What is drawn, and how. */
export interface ReconstructionSheets extends ReconstructionProgram {
  /** What goes into the program. */
  readonly originals: Float32Array;
  /** The model, for the metadata of the sheets. */
  readonly config: FamilyConfig;
  /** Draws originals and reconstructions as a PNG file. */
  draw(reconstructions: Float32Array, title: string): Promise<Uint8Array>;
}

/** Draws the reconstructions of a run. */
export class RunReconstructions implements Drawer {
  readonly #sheets: ReconstructionSheets;
  readonly #folder: string;
  readonly #executable: Executable;

  private constructor(sheets: ReconstructionSheets, folder: string, executable: Executable) {
    this.#sheets = sheets;
    this.#folder = folder;
    this.#executable = executable;
  }

  /** Loads the program, bound to the averages; sheets go to `samples/` of the run. */
  static async create(
    device: Device,
    averages: ParameterBuffers,
    sheets: ReconstructionSheets,
    run: string,
  ): Promise<RunReconstructions> {
    const folder = samplesFolder(run);
    await makeFolder(folder);
    const executable = await device.load(sheets.program, averages);
    executable.buffer(sheets.input).write(sheets.originals);
    return new RunReconstructions(sheets, folder, executable);
  }

  /** Writes the sheet of a step, such as `samples/0000500.png`. */
  async draw(step: number): Promise<void> {
    this.#executable.run();
    const found = Float32Array.from(await this.#executable.buffer("reconstructions").read());
    const sheet = await this.#sheets.draw(found, `step ${step}`);
    const record = { weights: "averages of the run", step, config: this.#sheets.config };
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

/** Numbers of so many samples spread over a set; they repeat in a smaller one. */
export function spreadIndices(length: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.floor(index * length / count));
}
