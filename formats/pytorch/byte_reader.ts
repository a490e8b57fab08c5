/**
 * Bytes of a file in order, a block at a time: pickles do not say how long they are.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { RangeFile } from "../files/range_file.ts";

/** Bytes read ahead. */
const blockLength = 1 << 16;

/** Reads a range of a file from its start to its end. */
export class ByteReader {
  #block = new DataView(new ArrayBuffer(0));
  #blockStart: number;

  /** @param position the first byte; afterwards that of the next byte to be read */
  constructor(readonly file: RangeFile, public position: number, readonly end: number) {
    this.#blockStart = position;
  }

  /** One byte, 0 to 255. */
  byte(): number {
    return this.#view(1).getUint8(this.#take(1));
  }

  /** A whole number without sign of 2, 4 or 8 bytes, the lowest first. */
  unsigned(length: 2 | 4 | 8): number {
    const view = this.#view(length);
    const at = this.#take(length);
    if (length === 2) return view.getUint16(at, true);
    if (length === 4) return view.getUint32(at, true);
    return Number(view.getBigUint64(at, true));
  }

  /** A whole number with sign of 4 bytes, the lowest first. */
  int32(): number {
    return this.#view(4).getInt32(this.#take(4), true);
  }

  /** A double, the highest byte first. */
  bigEndianFloat64(): number {
    return this.#view(8).getFloat64(this.#take(8), false);
  }

  /** The next bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    this.#require(length);
    if (length <= blockLength) {
      const { buffer } = this.#view(length);
      const at = this.#take(length);
      return new Uint8Array(buffer.slice(at, at + length));
    }
    const bytes = this.file.read(this.position, length);
    this.position += length;
    return bytes;
  }

  /** Passes over bytes. */
  advance(length: number): void {
    this.#require(length);
    this.position += length;
  }

  /** Text up to the end of the line, which is read too. */
  line(longest = 1 << 16): string {
    const bytes: number[] = [];
    for (let byte = this.byte(); byte !== 0x0a; byte = this.byte()) {
      bytes.push(byte);
      if (bytes.length > longest) throw this.problem("a line without an end");
    }
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }

  /** What is wrong at this place of the file. */
  problem(what: string): InputError {
    return new InputError(
      `${this.file.path}: damaged PyTorch file: ${what} at byte ${this.position}`,
    );
  }

  #require(length: number): void {
    if (this.position + length > this.end) throw this.problem("it ends too early");
  }

  /** A view in which the next bytes lie. */
  #view(length: number): DataView<ArrayBuffer> {
    this.#require(length);
    if (this.position + length > this.#blockStart + this.#block.byteLength) {
      const size = Math.min(blockLength, this.end - this.position);
      this.#blockStart = this.position;
      this.#block = new DataView(this.file.read(this.position, size).buffer);
    }
    return this.#block;
  }

  /** Where the next bytes lie in the block; they count as read. */
  #take(length: number): number {
    this.position += length;
    return this.position - length - this.#blockStart;
  }
}
