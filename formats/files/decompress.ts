/**
 * Decompression with a bound on what may come out.
 *
 * @module
 */

import { InputError } from "../../base/errors.ts";

/** What to decompress and what to expect. */
export interface DecompressOptions {
  /** The compression format of the stream. */
  readonly format: "gzip" | "deflate-raw" | "deflate";
  /** Most bytes to accept. */
  readonly limit: number;
  /** The file (and part of it) for messages. */
  readonly where: string;
}

/**
 * Decompresses a stream chunk by chunk.
 *
 * Ends without an error when the consumer stops early.
 *
 * @throws {InputError} when the stream is damaged, truncated or longer than `limit` bytes
 */
export async function* decompressChunks(
  source: ReadableStream<Uint8Array<ArrayBuffer>>,
  { format, limit, where }: DecompressOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let total = 0;
  const chunks = source.pipeThrough(new DecompressionStream(format))[Symbol.asyncIterator]();
  try {
    while (true) {
      const { done, value } = await nextChunk(chunks, where);
      if (done) return;
      total += value.length;
      if (total > limit) throw new InputError(`${where}: decompresses to more than ${limit} bytes`);
      yield value;
    }
  } finally {
    await chunks.return?.();
  }
}

/** Every fault that a decompression stream finds is a TypeError without the name of the file. */
async function nextChunk<Value>(chunks: AsyncIterator<Value>, where: string) {
  try {
    return await chunks.next();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new InputError(`${where}: compressed data is damaged or truncated`);
  }
}
