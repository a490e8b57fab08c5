/**
 * What tells the weights of extractors apart.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** The SHA-256 of tensors by name, in hexadecimal: the same whatever order and file they come in. */
export function hashOfWeights(tensors: ReadonlyMap<string, Float32Array>): string {
  const hash = createHash("sha256");
  for (const name of [...tensors.keys()].sort()) hash.update(name).update(tensors.get(name)!);
  return hash.digest("hex");
}
