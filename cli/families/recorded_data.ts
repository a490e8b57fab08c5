/**
 * The pictures that a run was trained on, opened again: by `--resume` and by evaluations.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { MissingDataError } from "../../data/find.ts";

/**
 * The pictures that are being opened; when they are not where the run has recorded them, the error
 * says what helps.
 *
 * @param given the path on the command line; undefined: the recorded one is opened
 */
export async function recordedData<Set>(
  given: string | undefined,
  opening: Promise<Set>,
): Promise<Set> {
  try {
    return await opening;
  } catch (error) {
    if (given !== undefined || !(error instanceof MissingDataError)) throw error;
    throw new InputError(
      `${error.message}; the run was trained on what was there, --data-path says where it is now`,
      { cause: error },
    );
  }
}
