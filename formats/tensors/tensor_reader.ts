/**
 * Tensors in files, by name: what every format of weights is read through, and what formats share
 * whose tensors are ranges of bytes.
 *
 * @module
 */

import { InputError, nearestNames, quote } from "../../base/errors.ts";
import {
  decodeFloat32,
  elementSizes,
  isOpaque,
  type StoredType,
  type StoredView,
  viewStored,
} from "./codec.ts";

/** What a file says about one tensor. */
export interface TensorInfo {
  /** Its name. */
  readonly name: string;
  /** How its elements are stored. */
  readonly type: StoredType;
  /** Sizes of its axes, slowest first; `[]` for a scalar. */
  readonly shape: readonly number[];
  /** Product of the shape. */
  readonly elementCount: number;
  /** Bytes it takes. */
  readonly byteLength: number;
  /** Its first byte, counted from the start of the file. */
  readonly offset: number;
}

/**
 * Bytes converted at a time: so few that they stay in the cache from reading to checksum to
 * conversion; a multiple of every element size.
 */
const conversionBlock = 1 << 17;

/** Tensors stored in one or several files. Close it, or declare it with `using`. */
export interface TensorReader extends Disposable {
  /** The path it was opened with. */
  readonly path: string;
  /** Free text by key; empty when there is none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Every tensor by name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * What the header says about a tensor.
   *
   * @throws {InputError} with the nearest names when there is no such tensor
   */
  info(name: string): TensorInfo;
  /** The bytes of a tensor as they are stored. */
  readBytes(name: string): Uint8Array<ArrayBuffer>;
  /**
   * A tensor as 32-bit floats, row-major: F16 and BF16 exactly, F64 and integers to nearest.
   *
   * @param out written to instead of a new array; must have the tensor's element count and may lie
   * in shared memory
   */
  readFloat32(name: string, out?: Float32Array): Float32Array;
  /**
   * Fills `out` with the elements of a tensor from `start` on, converted like those of
   * {@link readFloat32}: for tensors larger than memory.
   *
   * @throws {RangeError} when the tensor ends before
   */
  readFloat32Part(name: string, start: number, out: Float32Array): void;
  /**
   * A tensor of integers or booleans as 32-bit integers, row-major.
   *
   * @throws {InputError} for a floating-point tensor or a value outside 32 bits
   */
  readInt32(name: string): Int32Array;
  /**
   * Checks that the file is, to the last byte, what its record says; reads what has not been read in
   * order. Does nothing for a file that was opened without a record.
   *
   * @throws {InputError} when it is not
   */
  checkContents(): void;
  /** Closes the files. */
  close(): void;
}

/**
 * What readers share whose tensors are ranges of bytes: a format says how bytes of a tensor are read,
 * everything else follows.
 */
export abstract class StoredTensors implements TensorReader {
  abstract readonly path: string;
  abstract readonly metadata: Readonly<Record<string, string>>;
  abstract readonly tensors: ReadonlyMap<string, TensorInfo>;

  /** Fills `out` with bytes of a tensor, `start` bytes after its first, in row-major order. */
  protected abstract readPart(info: TensorInfo, start: number, out: Uint8Array): void;
  abstract checkContents(): void;
  abstract close(): void;

  info(name: string): TensorInfo {
    return findTensor(this, name);
  }

  readBytes(name: string): Uint8Array<ArrayBuffer> {
    const info = this.info(name);
    const bytes = new Uint8Array(info.byteLength);
    this.readPart(info, 0, bytes);
    return bytes;
  }

  readFloat32(name: string, out?: Float32Array): Float32Array {
    const info = this.info(name);
    const target = out ?? new Float32Array(this.#numeric(info).elementCount);
    if (target.length !== info.elementCount) {
      throw new RangeError(
        `${this.path}: tensor ${quote(name)} has ${info.elementCount} elements, ` +
          `the array to read into has ${target.length}`,
      );
    }
    this.readFloat32Part(name, 0, target);
    return target;
  }

  readFloat32Part(name: string, start: number, out: Float32Array): void {
    const info = this.#numeric(this.info(name));
    if (!(start >= 0 && start + out.length <= info.elementCount)) {
      throw new RangeError(
        `${this.path}: tensor ${quote(name)} has ${info.elementCount} elements, ` +
          `not ${out.length} from ${start} on`,
      );
    }
    this.#forBlocks(info, start, out.length, (index, bytes) => {
      const count = bytes.length / elementSizes[info.type];
      decodeFloat32(info.type, bytes, out.subarray(index, index + count));
    });
  }

  readInt32(name: string): Int32Array {
    const info = this.info(name);
    if (/F/.test(info.type)) throw this.#refusal(info, "is not a tensor of integers");
    const result = new Int32Array(info.elementCount);
    this.#forBlocks(info, 0, info.elementCount, (index, bytes) => {
      this.#toInt32(info, viewStored(info.type, bytes), result.subarray(index));
    });
    return result;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #toInt32(info: TensorInfo, source: StoredView, target: Int32Array): void {
    for (let index = 0; index < source.length; index++) {
      target[index] = Number(source[index]);
      if (target[index] !== Number(source[index])) {
        throw this.#refusal(info, `holds ${source[index]}, which does not fit in 32 bits`);
      }
    }
  }

  /**
   * Reads `count` elements from `start` on, block by block: `use` gets the bytes of a block and how
   * many elements were before it.
   */
  #forBlocks(
    info: TensorInfo,
    start: number,
    count: number,
    use: (index: number, bytes: Uint8Array) => void,
  ): void {
    const size = elementSizes[info.type];
    const length = count * size;
    const block = new Uint8Array(Math.min(conversionBlock, length));
    for (let done = 0; done < length; done += block.length) {
      const bytes = block.subarray(0, Math.min(block.length, length - done));
      this.readPart(info, start * size + done, bytes);
      use(done / size, bytes);
    }
  }

  /** Refuses tensors whose elements are no plain numbers. */
  #numeric(info: TensorInfo): TensorInfo {
    if (isOpaque(info.type)) throw this.#refusal(info, "cannot be read as numbers");
    return info;
  }

  #refusal(info: TensorInfo, problem: string): InputError {
    return new InputError(`${this.path}: tensor ${quote(info.name)} (${info.type}) ${problem}`);
  }
}

/** The tensors of a file under other names. */
class RenamedTensors implements TensorReader {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;

  readonly #file: TensorReader;
  /** Names in the file by the new ones. */
  readonly #stored: ReadonlyMap<string, string>;

  constructor(file: TensorReader, rename: (name: string) => string | undefined) {
    this.#file = file;
    this.path = file.path;
    this.metadata = file.metadata;
    this.#stored = new Map(
      file.tensors.keys().flatMap((stored) => {
        const name = rename(stored);
        return name === undefined ? [] : [[name, stored] as const];
      }),
    );
    this.tensors = new Map(
      [...this.#stored].map(([name, stored]) => [name, { ...file.info(stored), name }]),
    );
  }

  info(name: string): TensorInfo {
    return findTensor(this, name);
  }

  readBytes(name: string): Uint8Array<ArrayBuffer> {
    return this.#file.readBytes(this.#storedName(name));
  }

  readFloat32(name: string, out?: Float32Array): Float32Array {
    return this.#file.readFloat32(this.#storedName(name), out);
  }

  readFloat32Part(name: string, start: number, out: Float32Array): void {
    this.#file.readFloat32Part(this.#storedName(name), start, out);
  }

  readInt32(name: string): Int32Array {
    return this.#file.readInt32(this.#storedName(name));
  }

  checkContents(): void {
    this.#file.checkContents();
  }

  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #storedName(name: string): string {
    this.info(name);
    return this.#stored.get(name)!;
  }
}

/**
 * A reader of the same file that has other names for the tensors.
 *
 * @param rename gives the new name of one, undefined to leave it out; no two get the same
 */
export function renamed(
  reader: TensorReader,
  rename: (name: string) => string | undefined,
): TensorReader {
  return new RenamedTensors(reader, rename);
}

/**
 * What a reader knows about a tensor.
 *
 * @throws {InputError} with the nearest names when there is no such tensor
 */
export function findTensor(reader: TensorReader, name: string): TensorInfo {
  const info = reader.tensors.get(name);
  if (info) return info;
  const nearest = nearestNames(name, reader.tensors.keys()).map(quote).join(" and ");
  throw new InputError(
    `${reader.path}: no tensor ${quote(name)}` + (nearest ? `; the nearest are ${nearest}` : ""),
  );
}
