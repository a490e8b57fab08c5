/**
 * Reading small files that the user names.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { readRegularText } from "../../formats/files/regular_file.ts";

/**
 * The text of a file.
 *
 * @throws InputError when there is none, or it is a folder, pipe or device
 */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readRegularText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new InputError(`${path}: no such file`);
    throw error;
  }
}
