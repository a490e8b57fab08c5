/**
 * Run folders: `results/000-DiT-S-4/` with everything a run leaves behind.
 *
 * `config.json` (the resolved settings), `log.txt` (what the run told), `metrics.jsonl` (one line a
 * log), `loss.svg` (its curve), `checkpoints/0000100/`, `samples/`, and `checkpoints/latest`, the name
 * of the newest checkpoint.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "@std/path";
import { makeFolder } from "../../formats/files/folder.ts";
import {
  removeFolderAtomically,
  removeLeftovers,
  writeTextAtomically,
} from "../../formats/files/atomic_file.ts";
import { lockFolder } from "../../formats/files/folder_lock.ts";
import { InputError } from "../../base/errors.ts";
import { checkpointPattern, manifestFile, readManifest } from "../checkpoints/manifest.ts";

const latestFile = "latest";

/** Folder of a run's checkpoints. */
export const checkpointsFolder = (run: string): string => join(run, "checkpoints");

/** Folder of the pictures drawn during a run. */
export const samplesFolder = (run: string): string => join(run, "samples");

/** Folder name of the checkpoint of a step, such as `0000100`. */
export const checkpointName = (step: number): string => String(step).padStart(7, "0");

/**
 * Makes the next run folder: the number after the highest one there is. Two runs that start at once
 * get different folders, because making a folder either succeeds or fails.
 *
 * @param title name of the model, such as `DiT-S/4`
 */
export async function createRunFolder(results: string, title: string): Promise<string> {
  await makeFolder(results);
  const suffix = title.replaceAll(/[^\w.-]+/g, "-");
  for (let number = await nextNumber(results);; number++) {
    const folder = join(results, `${String(number).padStart(3, "0")}-${suffix}`);
    try {
      // A marker that holds the number alone keeps two models from sharing one.
      await Deno.mkdir(join(results, `.${String(number).padStart(3, "0")}`));
      await Deno.mkdir(folder);
      return folder;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

/**
 * Takes a run folder for this process until the result is disposed of, makes its folder of
 * checkpoints, and clears away what a killed process left half-written.
 *
 * @throws InputError when another process is training in it
 */
export async function enterRunFolder(run: string): Promise<Disposable> {
  await makeFolder(checkpointsFolder(run));
  const lock = await lockFolder(run, "is training in this run folder");
  try {
    await removeLeftovers(run);
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
  return lock;
}

/** Takes back a run folder in which nothing has happened yet, and its number. */
export async function removeRunFolder(run: string): Promise<void> {
  await removeFolderAtomically(run);
  const [number] = basename(run).split("-");
  await removeFolderAtomically(join(dirname(run), `.${number}`));
}

async function nextNumber(results: string): Promise<number> {
  let next = 0;
  for await (const { name } of Deno.readDir(results)) {
    const number = /^\.?(\d{3,})(?:-|$)/.exec(name)?.[1];
    if (number) next = Math.max(next, Number(number) + 1);
  }
  return next;
}

/** Names of the run folders in a folder that have a checkpoint, by number. */
export async function listRuns(results: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of readFolder(results)) {
    if (!isDirectory || !/^\d{3,}-/.test(name)) continue;
    if (await latestCheckpoint(join(results, name)) !== undefined) names.push(name);
  }
  return names.sort((a, b) => Number.parseInt(a) - Number.parseInt(b));
}

/**
 * The run folder with the checkpoint that was written last, as its manifest says: copies have the
 * times of their copying. Of those written at once, the one with the most steps.
 *
 * @throws InputError when there is none
 */
export async function newestRun(results: string): Promise<string> {
  const found: { name: string; time: number; step: number }[] = [];
  for (const name of await listRuns(results)) {
    const checkpoint = (await latestCheckpoint(join(results, name)))!;
    found.push({ name, time: await savingTime(checkpoint), step: Number(basename(checkpoint)) });
  }
  found.sort((a, b) =>
    b.time - a.time || b.step - a.step || Number.parseInt(b.name) - Number.parseInt(a.name)
  );
  if (found.length === 0) throw new InputError(`${results}: no run with a checkpoint to resume`);
  return join(results, found[0].name);
}

/** When a checkpoint was written, in milliseconds; what the disk says where no manifest tells. */
async function savingTime(checkpoint: string): Promise<number> {
  const savedAt = await readManifest(checkpoint).then(
    (manifest) => manifest.savedAt,
    () => undefined,
  );
  if (savedAt !== undefined) return Date.parse(savedAt);
  return (await Deno.stat(checkpoint)).mtime?.getTime() ?? 0;
}

async function* readFolder(path: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) {
      throw error;
    }
  }
}

/** Names of the checkpoints of a run, oldest first. */
export async function listCheckpoints(run: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of readFolder(checkpointsFolder(run))) {
    if (isDirectory && checkpointPattern.test(name)) names.push(name);
  }
  return names.sort((a, b) => Number(a) - Number(b));
}

/** Path of the newest checkpoint of a run, or undefined when there is none. */
export async function latestCheckpoint(run: string): Promise<string | undefined> {
  const names = await listCheckpoints(run);
  return names.length > 0 ? join(checkpointsFolder(run), names[names.length - 1]) : undefined;
}

/**
 * The checkpoint folder that a path means: a checkpoint, or the newest of a run folder, also by its
 * `checkpoints` or `checkpoints/latest`.
 *
 * @throws InputError when it is neither
 */
export async function resolveCheckpoint(path: string): Promise<string> {
  if (checkpointPattern.test(basename(path)) || await exists(join(path, manifestFile))) return path;
  const latest = await latestCheckpoint(runOf(path));
  if (latest) return latest;
  throw new InputError(`checkpoint ${path}: ${await reasonAgainst(path)}`);
}

/** The run whose folder of checkpoints a path is, or the file there that names the newest. */
function runOf(path: string): string {
  const folder = isLatestFile(path) ? dirname(path) : path;
  return basename(resolve(folder)) === "checkpoints" ? join(folder, "..") : path;
}

/** Whether a path is that of the file that names the newest checkpoint of a run. */
export function isLatestFile(path: string): boolean {
  return basename(path) === latestFile && basename(dirname(resolve(path))) === "checkpoints";
}

/** Why a path leads to no checkpoint, and what does; who takes files of weights has looked for one before. */
async function reasonAgainst(path: string): Promise<string> {
  const isFile = await Deno.stat(path).then((found) => found.isFile, () => false);
  if (isFile) return "is a file; give a run folder or a checkpoint folder";
  const reason = await exists(path) ? "has no checkpoint in it" : "does not exist";
  return `${reason}; give a run folder, a checkpoint folder or a .safetensors file`;
}

/** Whether something is at a path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}

/**
 * Renames a checkpoint that cannot be used, so that its name is free for another one of that step.
 *
 * @returns its new path
 */
export async function setAside(checkpoint: string): Promise<string> {
  for (let number = 1;; number++) {
    const path = `${checkpoint}.damaged-${number}`;
    if (await exists(path)) continue;
    await Deno.rename(checkpoint, path);
    return path;
  }
}

/** Records the newest checkpoint and removes all but the newest `keep`. */
export async function recordCheckpoint(run: string, name: string, keep: number): Promise<void> {
  await writeTextAtomically(join(checkpointsFolder(run), latestFile), `${name}\n`);
  const names = await listCheckpoints(run);
  for (const old of names.slice(0, Math.max(0, names.length - keep))) {
    await removeFolderAtomically(join(checkpointsFolder(run), old));
  }
}
