/**
 * IDX, the format of MNIST and its relatives: two zero bytes, an element type, the number of axes,
 * their sizes as 32-bit big-endian numbers, then the elements. Plain or gzipped.
 *
 * @module
 */

import { decompressChunks } from "../files/decompress.ts";
import { InputError } from "../../base/errors.ts";
import { RangeFile } from "../files/range_file.ts";

/** An array of bytes with a shape. */
export interface IdxArray {
  /** Sizes of the axes, slowest first; one to three of them in practice. */
  readonly shape: readonly number[];
  /** The elements, 0..255, row-major. */
  readonly data: Uint8Array;
}

/** Element types of the format by code. Image sets use the first; the others are refused by name. */
const elementTypes: ReadonlyMap<number, string> = new Map([
  [0x08, "unsigned byte"],
  [0x09, "signed byte"],
  [0x0b, "16-bit integer"],
  [0x0c, "32-bit integer"],
  [0x0d, "32-bit float"],
  [0x0e, "64-bit float"],
]);

function checkType(where: string, bytes: Uint8Array): void {
  const type = elementTypes.get(bytes[2]);
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0 || type === undefined) {
    const start = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0"));
    throw new InputError(
      `${where}: not an IDX file: starts with [${start.join(" ")}], not 00 00 08 and a rank`,
    );
  }
  if (bytes[2] !== 0x08) {
    throw new InputError(`${where}: elements are ${type}s; only unsigned bytes can be read`);
  }
}

/** Where the elements start. */
function dataStartOf(bytes: Uint8Array): number {
  return 4 + 4 * bytes[3];
}

/** Sizes of the axes of a header that is there in full. */
function shapeOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes[3] }, (_, axis) => view.getUint32(4 + 4 * axis));
}

function countOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Parses the bytes of an IDX file.
 *
 * @param where the file, for messages
 * @param bytes the whole file, not compressed; the result views into it
 * @throws {InputError} when the header is not one of unsigned bytes or disagrees with the length
 */
export function parseIdx(where: string, bytes: Uint8Array): IdxArray {
  const { shape, dataStart, count } = parseHeader(where, bytes, bytes.length);
  const held = bytes.length - dataStart;
  if (held > count) {
    throw new InputError(
      `${where}: shape [${shape.slice(0, 8)}] takes ${count} bytes, the file holds ${held}`,
    );
  }
  return { shape, data: bytes.subarray(dataStart) };
}

/**
 * Parses a header, before anything of the length that it says is read.
 *
 * @param start the first bytes of the file, its header among them
 * @param most bytes that the file may have in all
 * @param holds how a message says so
 */
function parseHeader(where: string, start: Uint8Array, most: number, holds = "holds") {
  checkType(where, start);
  const dataStart = dataStartOf(start);
  if (start.length < dataStart) {
    throw new InputError(`${where}: truncated: ${start.length} bytes, the header has ${dataStart}`);
  }
  const shape = shapeOf(start);
  const count = countOf(shape);
  if (count > most - dataStart) {
    const shown = shape.slice(0, 8);
    throw new InputError(
      `${where}: truncated: shape [${shown}] takes ${count} bytes, the file ${holds} ${
        most - dataStart
      }`,
    );
  }
  return { shape, dataStart, count };
}

/** Longest header: 255 axes. */
const longestHeader = 4 + 4 * 255;

/** Most bytes that gzip makes of one. */
const largestExpansion = 1032;

/**
 * Decompresses a gzipped IDX file no further than its header says, so that a small file cannot fill
 * the memory.
 */
async function decompressIdx(file: RangeFile, limit: number): Promise<Uint8Array> {
  const where = file.path;
  const mostHeld = Math.min(limit, file.size * largestExpansion);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  let most = Infinity;
  for await (const chunk of decompressChunks(file.stream(), { format: "gzip", limit, where })) {
    chunks.push(chunk);
    length += chunk.length;
    if (most === Infinity && length >= longestHeader) {
      const start = joined(chunks, longestHeader);
      const { dataStart, count } = parseHeader(where, start, mostHeld, "can hold at most");
      most = dataStart + count;
    }
    if (length > most) {
      throw new InputError(`${where}: decompresses to more than the ${most} bytes of its header`);
    }
  }
  return joined(chunks, length);
}

/** The first `length` bytes of a sequence of chunks. */
function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let position = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(0, length - position);
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}

/**
 * Reads an IDX file of unsigned bytes, gzipped or not (told by its first bytes).
 *
 * @param limit most bytes to accept after decompression; 4 GiB unless told
 * @throws {InputError} one line that names the file and what is wrong
 */
export async function readIdx(path: string, limit = 2 ** 32): Promise<IdxArray> {
  using file = await RangeFile.open(path);
  const start = file.read(0, Math.min(longestHeader, file.size));
  if (start[0] === 0x1f && start[1] === 0x8b) {
    return parseIdx(path, await decompressIdx(file, limit));
  }
  if (file.size > limit) throw new InputError(`${path}: longer than ${limit} bytes`);
  parseHeader(path, start, file.size);
  return parseIdx(path, file.read(0, file.size));
}
