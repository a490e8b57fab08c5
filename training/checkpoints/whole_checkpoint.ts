/**
 * Which checkpoints are whole, and the way on from one that is not.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { openSafetensors } from "../../formats/tensors/safetensors.ts";
import { listCheckpoints } from "../runs/run_folder.ts";
import { readManifest } from "./manifest.ts";

/**
 * Reads every byte of a checkpoint and compares lengths and checksums. Files of a checkpoint of
 * version 1, which has none, are opened only.
 *
 * @returns the names of the files that were compared
 * @throws InputError naming the file that is damaged or missing
 */
export async function verifyCheckpoint(folder: string): Promise<string[]> {
  const records = (await readManifest(folder)).files ?? {};
  for (const name of new Set([...Object.keys(records), ...await listTensorFiles(folder)])) {
    using reader = await openSafetensors(join(folder, name), records[name]);
    reader.checkContents();
  }
  return Object.keys(records);
}

/** Whether the files of a checkpoint are all as they were written. */
export async function isWhole(checkpoint: string): Promise<boolean> {
  try {
    await verifyCheckpoint(checkpoint);
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

/** Names of the safetensors files in a folder. */
export async function listTensorFiles(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return entries.map(({ name }) => name).filter((name) => name.endsWith(".safetensors")).sort();
}

/** A damaged checkpoint of a run, and the newest one of the run that is whole. */
export class DamagedCheckpointError extends InputError {
  constructor(problem: string, readonly whole: string, options: ErrorOptions) {
    super(`${problem}; the newest whole checkpoint is ${whole}`, options);
  }
}

/**
 * What `reading` a checkpoint gives. Where that fails because the checkpoint is damaged, the message
 * names the newest whole one of the run; a checkpoint that is as it was written has other faults.
 */
export async function orNewestWhole<T>(checkpoint: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof InputError) || error instanceof DamagedCheckpointError) throw error;
    const whole = await isWhole(checkpoint) ? undefined : await newestWholeBeside(checkpoint);
    if (whole === undefined) throw error;
    throw new DamagedCheckpointError(error.message, whole, { cause: error });
  }
}

/** The newest of a run's other checkpoints whose files are all as they were written. */
async function newestWholeBeside(checkpoint: string): Promise<string | undefined> {
  const folder = dirname(resolve(checkpoint));
  if (basename(folder) !== "checkpoints") return undefined;
  const names = await listCheckpoints(dirname(folder));
  for (const name of names.reverse()) {
    const path = join(checkpoint, "..", name);
    if (name !== basename(resolve(checkpoint)) && await isWhole(path)) return path;
  }
  return undefined;
}
