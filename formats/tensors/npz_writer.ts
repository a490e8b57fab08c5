/**
 * Writing npz archives of any size: arrays stored as they are and streamed, all or nothing.
 *
 * @module
 */

import { encodeNpyHeader } from "./npy.ts";
import { elementSizes, type StoredType } from "./codec.ts";
import { writeZip, type ZipContents } from "./zip_writer.ts";

/** One array of an archive to write. */
export interface NpzArray {
  /** Its name, without `.npy`. */
  readonly name: string;
  /** How its elements are stored. */
  readonly type: StoredType;
  /** Sizes of its axes, slowest first. */
  readonly shape: readonly number[];
  /** Its elements, row-major and already in the stored type, in pieces of any length. */
  readonly chunks: Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>;
}

/** An array with its header as an entry of the archive. */
function entryOf({ name, type, shape, chunks }: NpzArray): ZipContents {
  const header = encodeNpyHeader(type, shape);
  const length = shape.reduce((product, size) => product * size, elementSizes[type]);
  async function* bytes(): AsyncGenerator<ArrayBufferView> {
    yield header;
    yield* chunks;
  }
  return { name: `${name}.npy`, size: header.length + length, chunks: bytes() };
}

/**
 * Writes arrays to an npz archive, all or nothing. Memory use does not depend on their size.
 *
 * @param arrays written in order; each one's chunks are drained before the next array is asked for
 * @returns the length of the file in bytes
 * @throws {RangeError} when chunks do not add up to an array's shape
 */
export async function writeNpz(
  path: string,
  arrays: Iterable<NpzArray> | AsyncIterable<NpzArray>,
): Promise<number> {
  async function* entries(): AsyncGenerator<ZipContents> {
    for await (const array of arrays) yield entryOf(array);
  }
  return await writeZip(path, entries());
}

/**
 * Writes generated pictures as ADM's evaluator and its relatives expect them: `arr_0` of bytes
 * (pictures, height, width, channels), and `arr_1` of 64-bit labels when there are some. Clips have
 * their frames behind their number.
 *
 * @param shape (pictures, height, width, channels), or (clips, frames, height, width, channels)
 * @param images the pictures in order, any number of them at a time
 * @param labels one for each picture; read after the last picture, so it may be filled meanwhile
 * @returns the length of the file in bytes
 */
export async function writeSamplesNpz(
  path: string,
  shape:
    | readonly [number, number, number, number]
    | readonly [number, number, number, number, number],
  images: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  labels?: ArrayLike<number>,
): Promise<number> {
  function* arrays(): Generator<NpzArray> {
    yield { name: "arr_0", type: "U8", shape, chunks: images };
    if (labels !== undefined) {
      const chunks = [BigInt64Array.from(Array.from(labels), BigInt)];
      yield { name: "arr_1", type: "I64", shape: [shape[0]], chunks };
    }
  }
  return await writeNpz(path, arrays());
}
