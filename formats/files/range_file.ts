/**
 * Reading parts of a file by position, for formats whose table of contents points into gigabytes.
 *
 * @module
 */

import { InputError } from "../../base/errors.ts";
import { requireRegular } from "./regular_file.ts";

/**
 * Longest chunk of a stream, in bytes. Whatever a chunk decompresses to is in memory at once, which
 * can be 1032 times as much.
 */
const streamChunk = 1 << 16;

/** One read call asks for at most this many bytes. */
const readBlock = 1 << 26;

/** A file open for reading at any position. Close it, or declare it with `using`. */
export class RangeFile implements Disposable {
  readonly #file: Deno.FsFile;

  private constructor(
    /** The path it was opened with, for messages. */
    readonly path: string,
    /** Length in bytes when it was opened. */
    readonly size: number,
    file: Deno.FsFile,
  ) {
    this.#file = file;
  }

  /**
   * Opens a regular file.
   *
   * @throws {InputError} when there is no such file or it is a folder
   */
  static async open(path: string): Promise<RangeFile> {
    try {
      await requireRegular(path);
      const file = await Deno.open(path);
      return new RangeFile(path, (await file.stat()).size, file);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw new InputError(`${path}: no such file`);
      throw error;
    }
  }

  /**
   * Refuses bytes that the file does not have, before an array is made for them: offset and length
   * may come from a damaged file.
   *
   * @throws {InputError} when the file ends before them
   */
  requireRange(offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.size) return;
    throw new InputError(
      `${this.path}: ends at byte ${this.size}, bytes ${offset}..${offset + length} needed`,
    );
  }

  /**
   * Fills `out` with the bytes that start at `offset`.
   *
   * Seek and read are synchronous so that readers sharing this object cannot come between the two.
   *
   * @throws {InputError} when the file ends before `out` is full
   */
  readInto(offset: number, out: Uint8Array): void {
    this.requireRange(offset, out.length);
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    let filled = 0;
    while (filled < out.length) {
      const count = this.#file.readSync(out.subarray(filled, filled + readBlock));
      if (count === null) {
        throw new InputError(`${this.path}: became shorter while it was being read`);
      }
      filled += count;
    }
  }

  /** Like {@link readInto}, into a new array. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    this.requireRange(offset, length);
    const bytes = new Uint8Array(length);
    this.readInto(offset, bytes);
    return bytes;
  }

  /** The bytes from `offset` on, at most `length`, as a stream of chunks of at most 64 KiB. */
  stream(offset = 0, length = this.size - offset): ReadableStream<Uint8Array<ArrayBuffer>> {
    const end = offset + length;
    return new ReadableStream({
      pull: (controller) => {
        if (offset >= end) return controller.close();
        const chunk = this.read(offset, Math.min(streamChunk, end - offset));
        offset += chunk.length;
        controller.enqueue(chunk);
      },
    }, { highWaterMark: 0 });
  }

  /** Closes the file; further reads fail. */
  close(): void {
    this.#file.close();
  }

  /** Closes the file at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
