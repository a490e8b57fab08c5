/**
 * Writing safetensors files: streamed, so that no second copy of the tensors is ever held, and all
 * or nothing.
 *
 * @module
 */

import { AtomicFile, type AtomicWriter, writeAtomically } from "../files/atomic_file.ts";
import { ChecksumWriter, type FileRecord } from "../files/checksum.ts";
import { elementSizes, encodeFloat32, type StoredType } from "./codec.ts";

/** Element types that can be written from numbers. */
export type WritableType = "F32" | "F16" | "BF16" | "I32" | "I64" | "U8";

/**
 * The elements of a tensor, row-major: Float32Array for F32, F16 and BF16, Int32Array for I32,
 * BigInt64Array for I64; a Uint8Array is taken as the stored bytes of whatever type.
 * May lie in shared memory.
 */
export type TensorData = Float32Array | Int32Array | BigInt64Array | Uint8Array;

/** A tensor of a file to write, without its elements. */
export interface TensorLayout {
  /** Its name, not `__metadata__`. */
  readonly name: string;
  /** How to store it; types other than {@link WritableType} need their bytes as a Uint8Array. */
  readonly type: StoredType;
  /** Sizes of its axes, slowest first. */
  readonly shape: readonly number[];
}

/** One tensor of a file to write. */
export interface TensorToWrite extends TensorLayout {
  /** Its elements, or a function called when it is their turn to be written. */
  readonly data: TensorData | (() => TensorData | Promise<TensorData>);
}

/** Elements converted and written at a time. */
const blockElements = 1 << 20;

function byteLengthOf(tensor: TensorLayout): number {
  return tensor.shape.reduce((product, size) => product * size, 1) * elementSizes[tensor.type];
}

/** The 8-byte length and the JSON, padded with spaces so that the data starts 8-byte aligned. */
function encodeHeader(
  tensors: readonly TensorLayout[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const entries: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) entries.push(["__metadata__", metadata]);
  let position = 0;
  for (const tensor of tensors) {
    const end = position + byteLengthOf(tensor);
    const entry = { dtype: tensor.type, shape: tensor.shape, data_offsets: [position, end] };
    entries.push([tensor.name, entry]);
    position = end;
  }
  // Object.fromEntries defines "__proto__" as a plain key, an assignment would not.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const length = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return header;
}

function checkNames(path: string, tensors: readonly TensorLayout[]): void {
  const seen = new Set(["__metadata__"]);
  for (const { name } of tensors) {
    if (seen.has(name)) throw new RangeError(`${path}: tensor name "${name}" is taken`);
    seen.add(name);
  }
}

/** Whether elements come in the array type that belongs to a stored type. */
function isMatching(type: StoredType, data: TensorData): boolean {
  if (data instanceof Uint8Array) return true;
  if (type === "F32" || type === "F16" || type === "BF16") return data instanceof Float32Array;
  return type === "I32"
    ? data instanceof Int32Array
    : type === "I64" && data instanceof BigInt64Array;
}

/** Refuses elements that do not fit a tensor. */
function refusal(path: string, { name, type, shape }: TensorLayout, data: TensorData): RangeError {
  return new RangeError(
    `${path}: tensor "${name}" (${type} of shape [${shape}]) cannot be written from a ` +
      `${data.constructor.name} of ${data.length} elements`,
  );
}

/** Where elements are appended. */
type ElementWriter = Pick<AtomicWriter, "write">;

async function writeTensor(writer: ElementWriter, path: string, tensor: TensorToWrite) {
  const { type } = tensor;
  const data = typeof tensor.data === "function" ? await tensor.data() : tensor.data;
  const elementSize = data instanceof Uint8Array ? 1 : elementSizes[type];
  if (!isMatching(type, data) || data.length * elementSize !== byteLengthOf(tensor)) {
    throw refusal(path, tensor, data);
  }
  await writeElements(writer, type, data);
}

/** Writes elements as they are stored, converted a block at a time. */
async function writeElements(writer: ElementWriter, type: StoredType, data: TensorData) {
  if (!(data instanceof Float32Array) || type === "F32") {
    return await writer.write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const elementSize = elementSizes[type];
  const block = new Uint8Array(Math.min(blockElements, data.length) * elementSize);
  for (let start = 0; start < data.length; start += blockElements) {
    const source = data.subarray(start, start + blockElements);
    const bytes = block.subarray(0, source.length * elementSize);
    encodeFloat32(source, type as "F16" | "BF16", bytes);
    await writer.write(bytes);
  }
}

/**
 * Writes tensors to a safetensors file, all or nothing (see {@link writeAtomically}).
 *
 * Wider element types come first, so that every tensor is aligned to its element size; otherwise the
 * given order is kept.
 *
 * @param path the file; its folder must exist
 * @param metadata free text by key
 * @returns length and checksums of the file, by which `openSafetensors` notices damage
 * @throws {RangeError} when two tensors share a name or elements do not fit type and shape
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<FileRecord> {
  const ordered = [...tensors].sort((a, b) => elementSizes[b.type] - elementSizes[a.type]);
  checkNames(path, ordered);
  return await writeAtomically(path, async (file) => {
    const writer = new ChecksumWriter(file);
    await writer.write(encodeHeader(ordered, metadata));
    const header = writer.checksum;
    for (const tensor of ordered) await writeTensor(writer, path, tensor);
    return { bytes: file.position, header, contents: writer.checksum };
  });
}

/**
 * Passes on the parts of a tensor, each written to a safetensors file before, so that a tensor larger
 * than memory can be kept while it is made. All or nothing: the file appears after the last part.
 *
 * @param path the file; its folder must exist
 * @param parts the elements, row-major, any number of them at a time
 * @throws {RangeError} when a part does not fit the type, or all together do not fit the shape
 *
 * @example
 * ```ts
 * import { teeSafetensors } from "./safetensors.ts";
 *
 * async function* rows() {
 *   for (let row = 0; row < 3; row++) yield Float32Array.of(row, row + 0.5);
 * }
 * const path = await Deno.makeTempFile();
 * for await (const row of teeSafetensors(path, { name: "x", type: "F32", shape: [3, 2] }, rows())) {
 *   row.length; // 2
 * }
 * ```
 */
export async function* teeSafetensors<Part extends TensorData>(
  path: string,
  tensor: TensorLayout,
  parts: AsyncIterable<Part>,
): AsyncGenerator<Part> {
  const { name, type, shape } = tensor;
  checkNames(path, [tensor]);
  await using file = await AtomicFile.create(path);
  await file.write(encodeHeader([tensor], {}));
  const start = file.position;
  for await (const part of parts) {
    if (!isMatching(type, part)) throw refusal(path, tensor, part);
    await writeElements(file, type, part);
    yield part;
  }
  const [written, needed] = [file.position - start, byteLengthOf(tensor)];
  if (written !== needed) {
    throw new RangeError(
      `${path}: tensor "${name}" of shape [${shape}] takes ${needed} bytes, its parts have ${written}`,
    );
  }
  await file.commit();
}
