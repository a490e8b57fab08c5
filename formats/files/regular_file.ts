/**
 * Only regular files are opened: opening a pipe waits for someone to write to it.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";

/**
 * Refuses folders, pipes and devices.
 *
 * @throws {InputError} saying which it is; `Deno.errors.NotFound` when there is nothing
 */
export async function requireRegular(path: string): Promise<void> {
  const { isFile, isDirectory } = await Deno.stat(path);
  if (isFile) return;
  throw new InputError(`${path}: is ${isDirectory ? "a folder" : "a device or pipe"}, not a file`);
}

/**
 * All bytes of a regular file.
 *
 * @throws {InputError} when it is no file; `Deno.errors.NotFound` when there is nothing
 */
export async function readRegularFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  await requireRegular(path);
  return await Deno.readFile(path);
}

/** All of a regular file as UTF-8; see {@link readRegularFile}. */
export async function readRegularText(path: string): Promise<string> {
  return new TextDecoder().decode(await readRegularFile(path));
}
