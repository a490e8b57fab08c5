/**
 * Only regular files are opened: opening a pipe waits for someone to write to it. What is read at once has a
 * greatest length, because a file may claim any.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";

/** Most bytes that are read at once: V8 has no longer strings. Longer files are read part by part. */
const mostBytes = 2 ** 29 - 2 ** 10;

/**
 * Refuses folders, pipes and devices.
 *
 * @returns what is known of the file
 * @throws {InputError} saying which it is; `Deno.errors.NotFound` when there is nothing
 */
export async function requireRegular(path: string): Promise<Deno.FileInfo> {
  const info = await Deno.stat(path);
  const { isFile, isDirectory } = info;
  if (isFile) return info;
  throw new InputError(`${path}: is ${isDirectory ? "a folder" : "a device or pipe"}, not a file`);
}

/**
 * All bytes of a regular file of at most 512 MiB.
 *
 * @throws {InputError} when it is no file, or longer; `Deno.errors.NotFound` when there is nothing
 */
export async function readRegularFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const { size } = await requireRegular(path);
  if (size > mostBytes) {
    throw new InputError(
      `${path}: has ${size} bytes, more than the ${mostBytes} that are read of it`,
    );
  }
  return await Deno.readFile(path);
}

/** All of a regular file as UTF-8; see {@link readRegularFile}. */
export async function readRegularText(path: string): Promise<string> {
  return new TextDecoder().decode(await readRegularFile(path));
}
