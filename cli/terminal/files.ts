/**
 * Reading small files that the user names.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";

/**
 * The text of a file.
 *
 * @throws InputError when there is none
 */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new InputError(`${path}: no such file`);
    if (error instanceof Deno.errors.IsADirectory) {
      throw new InputError(`${path}: a folder, not a file`);
    }
    throw error;
  }
}
