/**
 * Folders that one process at a time writes to.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";

/**
 * Locks a folder itself, which leaves no file behind and ends with the process, or with the lock.
 *
 * @param inUse what another process does that holds the lock, for the message
 * @throws {InputError} when there is one
 */
export async function lockFolder(path: string, inUse: string): Promise<Disposable> {
  // Windows opens no folders; there two processes in one folder are not found out.
  if (Deno.build.os === "windows") return { [Symbol.dispose]: () => {} };
  const folder = await Deno.open(path);
  if (await folder.tryLock(true)) return folder;
  folder.close();
  throw new InputError(`${path}: another process ${inUse}`);
}
