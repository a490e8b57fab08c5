/**
 * Files that grow by a line at a time, such as a log.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { writeProblem } from "./atomic_file.ts";

/**
 * Appends text to a regular file, which is made if it is not there. A link is not followed, so that
 * nothing outside of the file's folder is ever written to, and no device or pipe is opened.
 *
 * @throws InputError when something else has the name, or the disk is full
 */
export function appendText(path: string, text: string): void {
  requireRegularFile(path);
  try {
    Deno.writeTextFileSync(path, text, { append: true });
  } catch (error) {
    throw writeProblem(path, error);
  }
}

/**
 * Refuses what is neither a regular file nor a free name.
 *
 * @throws InputError saying what has the name
 */
export function requireRegularFile(path: string): void {
  const status = statusOf(path);
  if (status === undefined || status.isFile) return;
  throw new InputError(
    `${path}: is ${kindOf(status)}, and only a regular file is appended to; remove it`,
  );
}

/** What has a name, links not followed; undefined when it is free. */
function statusOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function kindOf({ isSymlink, isDirectory }: Deno.FileInfo): string {
  if (isSymlink) return "a symbolic link";
  return isDirectory ? "a folder" : "a device or pipe";
}
