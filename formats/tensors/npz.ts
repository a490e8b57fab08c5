/**
 * Reading npz archives (zip files of npy arrays), whole arrays or a few rows at a time.
 *
 * @module
 */

import { InputError, nearestNames, quote } from "../../base/errors.ts";
import {
  fromFortranOrder,
  maximumNpyHeader,
  type NpyArray,
  type NpyHeader,
  parseNpyHeader,
} from "./npy.ts";
import { RangeFile } from "../files/range_file.ts";
import { viewStored } from "./codec.ts";
import { readZipDirectory, readZipEntry, type ZipEntry } from "./zip.ts";

export type { NpyArray, NpyHeader } from "./npy.ts";
export { type NpzArray, writeNpz, writeSamplesNpz } from "./npz_writer.ts";

/** Hands out the bytes of a sequence of chunks in the portions asked for. */
class ByteQueue {
  #chunk = new Uint8Array(0);

  readonly #chunks: AsyncIterator<Uint8Array<ArrayBuffer>>;

  constructor(chunks: AsyncIterator<Uint8Array<ArrayBuffer>>) {
    this.#chunks = chunks;
  }

  /** Fills `out` as far as there are bytes; returns how many there were. */
  async take(out: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < out.length) {
      if (this.#chunk.length === 0) {
        const { done, value } = await this.#chunks.next();
        if (done) break;
        this.#chunk = value;
      }
      const part = this.#chunk.subarray(0, out.length - filled);
      out.set(part, filled);
      filled += part.length;
      this.#chunk = this.#chunk.subarray(part.length);
    }
    return filled;
  }

  /** Puts bytes back in front. */
  putBack(bytes: Uint8Array): void {
    const joined = new Uint8Array(bytes.length + this.#chunk.length);
    joined.set(bytes);
    joined.set(this.#chunk, bytes.length);
    this.#chunk = joined;
  }

  /** Stops the sequence. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

/** An npz archive. Close it, or declare it with `using`. */
export class NpzFile implements Disposable {
  readonly #file: RangeFile;
  readonly #entries: ReadonlyMap<string, ZipEntry>;
  readonly #limit: number;

  private constructor(
    file: RangeFile,
    entries: ReadonlyMap<string, ZipEntry>,
    limit: number,
  ) {
    this.#file = file;
    this.#entries = entries;
    this.#limit = limit;
  }

  /**
   * Opens an archive and reads its directory.
   *
   * @param limit most bytes of one array to accept; 4 GiB unless told
   * @throws {InputError} when it is not a zip archive or is damaged
   */
  static async open(path: string, limit = 2 ** 32): Promise<NpzFile> {
    const file = await RangeFile.open(path);
    try {
      const entries = new Map<string, ZipEntry>();
      for (const entry of readZipDirectory(file)) {
        if (!entry.name.endsWith(".npy")) continue;
        const name = entry.name.slice(0, -".npy".length);
        if (entries.has(name)) {
          throw new InputError(`${path}: two arrays have the name ${quote(name)}`);
        }
        entries.set(name, entry);
      }
      return new NpzFile(file, entries, limit);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** The path it was opened with. */
  get path(): string {
    return this.#file.path;
  }

  /** Names of the arrays, without `.npy`. */
  get names(): string[] {
    return [...this.#entries.keys()];
  }

  /**
   * Element type and shape of an array.
   *
   * @throws {InputError} when there is no such array or it is damaged
   */
  async info(name: string): Promise<NpyHeader> {
    const { header, queue } = await this.#start(name);
    await queue.close();
    return header;
  }

  /**
   * Reads an array whole, row-major whatever its order in the file.
   *
   * @throws {InputError} when there is no such array, it is damaged, or exceeds the limit
   */
  async read(name: string): Promise<NpyArray> {
    const { header, queue } = await this.#start(name);
    try {
      const { type, shape, byteLength, isFortranOrder } = header;
      if (byteLength > this.#limit) {
        throw new InputError(`${this.#where(name)} takes ${byteLength} bytes, over ${this.#limit}`);
      }
      const bytes = new Uint8Array(byteLength);
      await queue.take(bytes);
      await queue.take(new Uint8Array(1)); // to the end, where the checksum is compared
      const data = viewStored(type, bytes);
      if (isFortranOrder && shape.length > 1) fromFortranOrder(data, shape);
      return { type, shape, data };
    } finally {
      await queue.close();
    }
  }

  /**
   * Reads an array along its first axis, `count` entries at a time (fewer the last time), so that
   * archives larger than memory can be gone through.
   *
   * @throws {InputError} when there is no such array, it is damaged, a scalar, in Fortran
   * order, or its rows are empty
   */
  async *rows(name: string, count: number): AsyncGenerator<NpyArray> {
    const { header, queue } = await this.#start(name);
    try {
      const { type, shape: [length, ...rest], byteLength, isFortranOrder } = header;
      if (length === undefined || rest.includes(0) || (isFortranOrder && rest.length > 0)) {
        const problem = "a scalar, empty or in Fortran order: it has no rows to go through";
        throw new InputError(`${this.#where(name)} is ${problem}`);
      }
      for (let first = 0; first < length; first += count) {
        const rows = Math.min(count, length - first);
        const bytes = new Uint8Array(byteLength / length * rows);
        await queue.take(bytes);
        // Before the last rows are handed out, so that nobody uses damaged ones.
        if (first + rows === length) await queue.take(new Uint8Array(1));
        yield { type, shape: [rows, ...rest], data: viewStored(type, bytes) };
      }
    } finally {
      await queue.close();
    }
  }

  /** Closes the file. */
  close(): void {
    this.#file.close();
  }

  /** Closes the file at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Names file and array in messages. */
  #where(name: string): string {
    return `${this.path}: array ${quote(name)}`;
  }

  /** Parses an array's header; the queue continues with its data. */
  async #start(name: string): Promise<{ header: NpyHeader; queue: ByteQueue }> {
    const entry = this.#entries.get(name);
    if (entry === undefined) {
      const nearest = nearestNames(name, this.names).map(quote).join(" and ");
      const hint = nearest ? `; the nearest are ${nearest}` : "; it holds no arrays";
      throw new InputError(`${this.path}: no array ${quote(name)}${hint}`);
    }
    const queue = new ByteQueue(readZipEntry(this.#file, entry));
    try {
      const buffer = new Uint8Array(Math.min(maximumNpyHeader, entry.size));
      const bytes = buffer.subarray(0, await queue.take(buffer));
      const header = parseNpyHeader(this.#where(name), bytes);
      if (header.dataStart + header.byteLength !== entry.size) {
        throw new InputError(
          `${this.#where(name)} of shape (${header.shape.slice(0, 8)}) takes ` +
            `${header.byteLength} bytes, the entry holds ${entry.size - header.dataStart}`,
        );
      }
      queue.putBack(bytes.subarray(header.dataStart));
      return { header, queue };
    } catch (error) {
      await queue.close();
      throw error;
    }
  }
}
