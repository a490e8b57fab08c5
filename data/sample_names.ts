/**
 * What the rows of a safetensors file are called: `names` of its metadata, a JSON list.
 *
 * @module
 */
import { InputError } from "../base/errors.ts";
import type { TensorReader } from "../formats/tensors/safetensors.ts";

/** The metadata of such a file. */
export const namesMetadata = (names: readonly string[]): { readonly names: string } => ({
  names: JSON.stringify(names),
});

/**
 * The names in a file, undefined where it has none.
 *
 * @throws InputError when they are not as many texts as rows
 */
export function readNames(
  { path, metadata }: Pick<TensorReader, "path" | "metadata">,
  rows: number,
): string[] | undefined {
  if (metadata.names === undefined) return undefined;
  const names = parsed(metadata.names);
  if (names === undefined) {
    throw new InputError(`${path}: "names" in its metadata is no JSON list of texts`);
  }
  if (names.length === rows) return names;
  throw new InputError(`${path}: ${names.length} names for ${rows} rows`);
}

function parsed(json: string): string[] | undefined {
  try {
    const names: unknown = JSON.parse(json);
    const areTexts = Array.isArray(names) && names.every((name) => typeof name === "string");
    return areTexts ? names : undefined;
  } catch {
    return undefined;
  }
}
