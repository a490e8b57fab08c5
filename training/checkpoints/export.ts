/**
 * Runs for others: the averaged weights as a small checkpoint, metrics as event files.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "@std/path";
import { makeFolder, requireFree } from "../../formats/files/folder.ts";
import { writeAtomically, writeFolderAtomically } from "../../formats/files/atomic_file.ts";
import { eventRecords } from "../../formats/files/event_file.ts";
import { type TensorToWrite, writeSafetensors } from "../../formats/tensors/safetensors_writer.ts";
import type { WeightType } from "../../nn/parameters.ts";
import { openCheckpointFile, readHalves, weightsPath, writeManifest } from "./checkpoint.ts";
import { eventsOf, readLoggedRuns } from "../runs/logged_run.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { orNewestWhole } from "./whole_checkpoint.ts";
import { resolveCheckpoint } from "../runs/run_folder.ts";

/** What an exported checkpoint holds. */
export interface ExportedCheckpoint {
  /** Optimizer steps behind the weights. */
  readonly step: number;
  /** How many tensors there are. */
  readonly tensors: number;
  /** Size of the weights file. */
  readonly bytes: number;
}

/** A checkpoint that is being exported. */
export interface ExportInProgress {
  /** The folder it comes from. */
  readonly checkpoint: string;
  /** Where it is being written, under a temporary name. */
  readonly folder: string;
  readonly manifest: Manifest;
}

/**
 * Writes a folder with the averaged weights of a checkpoint and its manifest.
 *
 * @param run a run folder (its newest checkpoint) or a checkpoint folder
 * @param target must not exist
 * @param dtype how the weights are stored
 * @param complete adds to the folder what the model needs besides; returns the manifest to write
 * @throws {InputError} when there is no checkpoint, when it is damaged, when the target exists, and
 *   when a weight is beyond half precision
 */
export async function exportCheckpoint(
  run: string,
  target: string,
  dtype: WeightType,
  complete: (made: ExportInProgress) => Promise<Manifest> = ({ manifest }) =>
    Promise.resolve(manifest),
): Promise<ExportedCheckpoint> {
  const checkpoint = await resolveCheckpoint(run);
  return await orNewestWhole(checkpoint, exportFrom(checkpoint, target, dtype, complete));
}

async function exportFrom(
  checkpoint: string,
  target: string,
  dtype: WeightType,
  complete: (made: ExportInProgress) => Promise<Manifest>,
): Promise<ExportedCheckpoint> {
  // What the run was still to do, and the paths in it, are nothing to those who cannot go on with it.
  const { schedule: _, position: __, ...manifest } = await readManifest(checkpoint);
  await requireFree(target);
  using source = await openCheckpointFile(weightsPath(checkpoint, "ema"));
  const tensors = [...source.tensors.values()].map(({ name, shape }): TensorToWrite => ({
    name,
    shape,
    type: dtype === "f16" ? "F16" : "F32",
    data: () => {
      if (dtype === "f32") return source.readFloat32(name);
      return new Uint8Array(readHalves(source, name).buffer);
    },
  }));
  let bytes = 0;
  await makeFolder(dirname(resolve(target)));
  await writeFolderAtomically(resolve(target), async (folder) => {
    const path = weightsPath(folder, "ema");
    const record = await writeSafetensors(path, tensors, { format: "pt" });
    source.checkContents();
    const completed = await complete({ checkpoint, folder, manifest });
    await writeManifest(folder, { ...completed, files: { [basename(path)]: record } });
    bytes = record.bytes;
  });
  return { step: manifest.step, tensors: tensors.length, bytes };
}

/**
 * Writes the metrics of runs as event files, one folder a run; returns their paths. Earlier files of
 * the same runs are replaced.
 *
 * @param warn gets a line about metrics that are not whole
 * @throws {InputError} when a path is not a run folder
 */
export async function exportEvents(
  runs: readonly string[],
  target: string,
  warn: (line: string) => void,
): Promise<string[]> {
  const paths: string[] = [];
  for (const run of await readLoggedRuns(runs, warn)) {
    // The name of a run is a path where two runs share the name of their folder.
    const folder = join(target, run.name.replaceAll(/[/\\]+/g, "-"));
    const path = join(folder, "events.out.tfevents.tessera");
    await makeFolder(folder);
    await writeAtomically(path, async (writer) => {
      for (const record of eventRecords(eventsOf(run))) await writer.write(record);
    });
    paths.push(path);
  }
  return paths;
}
