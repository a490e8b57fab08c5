/**
 * Opening files of weights, whatever program wrote them.
 *
 * @module
 */
import type { FileRecord } from "./files/checksum.ts";
import { RangeFile } from "./files/range_file.ts";
import { openPyTorch } from "./pytorch/pytorch.ts";
import { isPyTorch, startLength } from "./tensors/foreign_weights.ts";
import { openSafetensors, type TensorReader } from "./tensors/safetensors.ts";

/**
 * Opens a file of weights: safetensors, the index of a sharded one, or PyTorch's. Contents decide, not
 * names; only headers are read.
 *
 * @param record see {@link openSafetensors}
 * @throws {InputError} one line that names the file and what is wrong
 */
export async function openWeights(path: string, record?: FileRecord): Promise<TensorReader> {
  const isForeign = record === undefined && !path.endsWith(".json") && await startsAsPyTorch(path);
  return await (isForeign ? openPyTorch(path) : openSafetensors(path, record));
}

async function startsAsPyTorch(path: string): Promise<boolean> {
  using file = await RangeFile.open(path);
  return isPyTorch(file.read(0, Math.min(file.size, startLength)));
}
