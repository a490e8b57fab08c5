/**
 * Reading a stream of bytes in words and in blocks.
 *
 * @module
 */
import { InputError } from "../../../base/errors.ts";

/** Longest word that is read. */
const longestWord = 32;

/** Longest line that is waited for. */
const longestLine = 1 << 16;

/** Hands out the bytes of a stream in the portions asked for. */
export class ByteReader {
  readonly #where: string;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #patience: number;
  #chunk = new Uint8Array(0);

  /**
   * @param where what the bytes come from, for messages
   * @param patience longest time without a byte, in seconds
   */
  constructor(where: string, stream: ReadableStream<Uint8Array<ArrayBuffer>>, patience: number) {
    this.#where = where;
    this.#reader = stream.getReader();
    this.#patience = patience;
  }

  /** Whether there is another byte. */
  async hasMore(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#inTime(this.#reader.read());
      if (done) return false;
      this.#chunk = value;
    }
    return true;
  }

  /**
   * So many bytes.
   *
   * @throws {InputError} when the stream ends before them
   */
  async bytes(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(count);
    for (let filled = 0; filled < count;) {
      if (!await this.hasMore()) throw this.#ended();
      const part = this.#chunk.subarray(0, count - filled);
      bytes.set(part, filled);
      filled += part.length;
      this.#chunk = this.#chunk.subarray(part.length);
    }
    return bytes;
  }

  /**
   * The bytes up to the next white space, which goes.
   *
   * @throws {InputError} when the stream ends before it, or the word is longer than 32 bytes
   */
  async word(): Promise<string> {
    let word = "";
    while (word.length <= longestWord) {
      const [byte] = await this.bytes(1);
      if (byte === 0x20 || byte === 0x0a) return word;
      word += String.fromCharCode(byte);
    }
    throw new InputError(`${this.#where}: a word without an end`);
  }

  /**
   * The lines of a text; what it holds at once does not grow with it.
   *
   * @throws {InputError} when a line does not end
   */
  async *lines(): AsyncGenerator<string, undefined> {
    const decoder = new TextDecoder();
    let rest = "";
    while (await this.hasMore()) {
      const lines = (rest + decoder.decode(this.#chunk, { stream: true })).split("\n");
      this.#chunk = new Uint8Array(0);
      rest = lines.pop()!;
      if (rest.length > longestLine) throw new InputError(`${this.#where}: a line without an end`);
      yield* lines;
    }
    if (rest !== "") yield rest;
  }

  /** Ends the stream; what is left of it is not wanted. */
  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }

  async #inTime<Value>(value: Promise<Value>): Promise<Value> {
    const { promise, reject } = Promise.withResolvers<never>();
    const limit = new InputError(`${this.#where}: nothing was read for ${this.#patience} s`);
    const timer = setTimeout(() => reject(limit), 1000 * this.#patience);
    try {
      return await Promise.race([value, promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #ended(): InputError {
    return new InputError(`${this.#where}: ended in the middle of a picture`);
  }
}
