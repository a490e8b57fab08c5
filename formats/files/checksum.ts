/**
 * Checksums by which damage to a file is noticed: CRC-32 (IEEE 802.3), which finds every single
 * flipped bit and every burst of up to 32, at many gigabytes a second. They are no protection against
 * somebody who changes a file on purpose.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { AtomicWriter } from "./atomic_file.ts";
import type { RangeFile } from "./range_file.ts";

/** What is written down about a file, to compare it with later. */
export interface FileRecord {
  /** Its length. */
  readonly bytes: number;
  /** Checksum of what says where everything lies: eight hexadecimal digits. */
  readonly header: string;
  /** Checksum of the whole file. */
  readonly contents: string;
}

/** Bytes taken at a time: so few that those just read are still in the cache. */
const block = 1 << 17;

/** The CRC-32 of bytes that follow on others. */
function extend(checksum: number, bytes: Uint8Array): number {
  for (let start = 0; start < bytes.length; start += block) {
    checksum = crc32(bytes.subarray(start, start + block), checksum);
  }
  return checksum;
}

/** A checksum as it is written down. */
function formatChecksum(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}

/** The checksum of a text as UTF-8. */
export function textChecksum(text: string): string {
  return formatChecksum(extend(0, new TextEncoder().encode(text)));
}

/** Passes bytes on to a file and keeps their checksum. */
export class ChecksumWriter {
  #checksum = 0;
  readonly #file: Pick<AtomicWriter, "write">;

  constructor(file: Pick<AtomicWriter, "write">) {
    this.#file = file;
  }

  /** Of everything written so far. */
  get checksum(): string {
    return formatChecksum(this.#checksum);
  }

  /** Appends all bytes of a view; the view may be reused once the promise has settled. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#checksum = extend(this.#checksum, bytes);
    await this.#file.write(bytes);
  }
}

/**
 * Reads parts of a file and keeps the checksum of those that come in order, so that a file read from
 * start to end is not read again to check it.
 */
export class ChecksumReader {
  #checksum = 0;
  #length = 0;
  readonly #file: RangeFile;

  constructor(file: RangeFile) {
    this.#file = file;
  }

  /** Of what has been read in order so far. */
  get checksum(): string {
    return formatChecksum(this.#checksum);
  }

  /** Fills `out` with the bytes that start at `offset`; see {@link RangeFile.readInto}. */
  readInto(offset: number, out: Uint8Array): void {
    for (let start = 0; start < out.length; start += block) {
      const part = out.subarray(start, start + block);
      this.#file.readInto(offset + start, part);
      this.#add(offset + start, part);
    }
  }

  /** Like {@link readInto}, into a new array. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    this.#file.requireRange(offset, length);
    const bytes = new Uint8Array(length);
    this.readInto(offset, bytes);
    return bytes;
  }

  /** The checksum of the whole file; reads what has not been read in order. */
  finish(): string {
    const bytes = new Uint8Array(Math.min(block, this.#file.size - this.#length));
    while (this.#length < this.#file.size) {
      this.readInto(this.#length, bytes.subarray(0, this.#file.size - this.#length));
    }
    return this.checksum;
  }

  #add(offset: number, bytes: Uint8Array): void {
    if (offset !== this.#length) return;
    this.#checksum = extend(this.#checksum, bytes);
    this.#length += bytes.length;
  }
}
