/**
 * Reading safetensors files, single or sharded by an `*.index.json`.
 *
 * Opening reads the header only; a tensor's bytes are read when they are asked for.
 *
 * @module
 */

import { basename, dirname, join } from "@std/path";
import { ChecksumReader, type FileRecord } from "../files/checksum.ts";
import { InputError, nearestNames, quote } from "../../base/errors.ts";
import { foreignFormat, startLength } from "./foreign_weights.ts";
import { RangeFile } from "../files/range_file.ts";
import { parseHeader, parseHeaderLength, type TensorInfo } from "./safetensors_header.ts";
import { decodeFloat32, elementSizes, isOpaque, type StoredView, viewStored } from "./codec.ts";

export type { FileRecord } from "../files/checksum.ts";
export type { TensorInfo } from "./safetensors_header.ts";
export type { StoredType } from "./codec.ts";
export {
  teeSafetensors,
  type TensorData,
  type TensorLayout,
  type TensorToWrite,
  type WritableType,
  writeSafetensors,
} from "./safetensors_writer.ts";

/**
 * Bytes converted at a time: so few that they stay in the cache from reading to checksum to
 * conversion; a multiple of every element size.
 */
const conversionBlock = 1 << 17;

/** Tensors stored in one or several safetensors files. Close it, or declare it with `using`. */
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

/** One safetensors file. */
class SafetensorsFile implements TensorReader {
  readonly path: string;

  readonly #file: RangeFile;
  readonly #bytes: ChecksumReader;
  readonly #record: FileRecord | undefined;

  constructor(
    file: RangeFile,
    bytes: ChecksumReader,
    readonly metadata: Readonly<Record<string, string>>,
    readonly tensors: ReadonlyMap<string, TensorInfo>,
    record: FileRecord | undefined,
  ) {
    this.#file = file;
    this.#bytes = bytes;
    this.#record = record;
    this.path = file.path;
  }

  info(name: string): TensorInfo {
    return findTensor(this, name);
  }

  readBytes(name: string): Uint8Array<ArrayBuffer> {
    const { offset, byteLength } = this.info(name);
    return this.#bytes.read(offset, byteLength);
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

  checkContents(): void {
    if (this.#record) {
      requireSame(
        this.path,
        "the checksum of its contents",
        this.#bytes.finish(),
        this.#record.contents,
      );
    }
  }

  close(): void {
    this.#file.close();
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
      this.#bytes.readInto(info.offset + start * size + done, bytes);
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

/** Several safetensors files that together hold the tensors of one model. */
class ShardedSafetensors implements TensorReader {
  readonly tensors: ReadonlyMap<string, TensorInfo>;

  readonly #shardOf: ReadonlyMap<string, TensorReader>;
  readonly #shards: readonly TensorReader[];

  constructor(
    readonly path: string,
    readonly metadata: Readonly<Record<string, string>>,
    shardOf: ReadonlyMap<string, TensorReader>,
    shards: readonly TensorReader[],
  ) {
    this.#shardOf = shardOf;
    this.#shards = shards;
    this.tensors = new Map([...shardOf].map(([name, shard]) => [name, shard.info(name)]));
  }

  info(name: string): TensorInfo {
    return findTensor(this, name);
  }

  readBytes(name: string): Uint8Array<ArrayBuffer> {
    return this.#shard(name).readBytes(name);
  }

  readFloat32(name: string, out?: Float32Array): Float32Array {
    return this.#shard(name).readFloat32(name, out);
  }

  readFloat32Part(name: string, start: number, out: Float32Array): void {
    this.#shard(name).readFloat32Part(name, start, out);
  }

  readInt32(name: string): Int32Array {
    return this.#shard(name).readInt32(name);
  }

  checkContents(): void {
    for (const shard of this.#shards) shard.checkContents();
  }

  close(): void {
    for (const shard of this.#shards) shard.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #shard(name: string): TensorReader {
    this.info(name);
    return this.#shardOf.get(name)!;
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

  constructor(file: TensorReader, rename: (name: string) => string) {
    this.#file = file;
    this.path = file.path;
    this.metadata = file.metadata;
    this.#stored = new Map([...file.tensors.keys()].map((name) => [rename(name), name]));
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
 * @param rename gives the new name of one; no two get the same
 */
export function renamed(reader: TensorReader, rename: (name: string) => string): TensorReader {
  return new RenamedTensors(reader, rename);
}

function findTensor(reader: TensorReader, name: string): TensorInfo {
  const info = reader.tensors.get(name);
  if (info) return info;
  const nearest = nearestNames(name, reader.tensors.keys()).map(quote).join(" and ");
  throw new InputError(
    `${reader.path}: no tensor ${quote(name)}` + (nearest ? `; the nearest are ${nearest}` : ""),
  );
}

/** Refuses a file that is not what was written. */
function requireSame<T>(path: string, what: string, found: T, recorded: T): void {
  if (found === recorded) return;
  throw new InputError(
    `${path}: damaged: ${what} (${found}) is not what was written (${recorded})`,
  );
}

async function openFile(path: string, record?: FileRecord): Promise<TensorReader> {
  const file = await RangeFile.open(path);
  try {
    if (record) requireSame(path, "its length", file.size, record.bytes);
    if (file.size < 8) {
      throw new InputError(`${path}: not a safetensors file: only ${file.size} bytes long`);
    }
    const foreign = foreignFormat(path, file.read(0, Math.min(file.size, startLength)), file.size);
    if (foreign !== undefined) throw new InputError(`${path}: ${foreign}`);
    const bytes = new ChecksumReader(file);
    const length = parseHeaderLength(path, bytes.read(0, 8), file.size);
    const json = bytes.read(8, length);
    if (record) requireSame(path, "the checksum of its header", bytes.checksum, record.header);
    const { metadata, tensors } = parseHeader(path, json, file.size);
    return new SafetensorsFile(file, bytes, metadata, tensors, record);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The parts of an index used here: which file beside it holds which tensor. */
async function readIndex(path: string): Promise<Map<string, string>> {
  using file = await RangeFile.open(path);
  let index: { weight_map?: unknown } | null;
  try {
    index = JSON.parse(new TextDecoder().decode(file.read(0, file.size)));
  } catch {
    throw new InputError(`${path}: not JSON`);
  }
  const map = index?.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new InputError(`${path}: has no "weight_map" object, so it is not a safetensors index`);
  }
  for (const [name, shard] of Object.entries(map)) {
    // Only names beside the index: a downloaded file must not point anywhere else.
    const isPlain = typeof shard === "string" && shard !== "" && basename(shard) === shard &&
      !shard.includes("\\") && shard !== "..";
    if (!isPlain) {
      throw new InputError(
        `${path}: tensor ${quote(name)}: ${
          quote(String(shard))
        } is not the name of a file beside it`,
      );
    }
  }
  return new Map(Object.entries(map));
}

async function openSharded(path: string): Promise<TensorReader> {
  const fileOf = await readIndex(path);
  const opened = new Map<string, TensorReader>();
  try {
    for (const name of new Set(fileOf.values())) {
      opened.set(name, await openFile(join(dirname(path), name)));
    }
    const shardOf = new Map([...fileOf].map(([tensor, file]) => [tensor, opened.get(file)!]));
    const metadata = Object.assign({}, ...[...opened.values()].map((shard) => shard.metadata));
    return new ShardedSafetensors(path, metadata, shardOf, [...opened.values()]);
  } catch (error) {
    for (const shard of opened.values()) shard.close();
    throw error;
  }
}

/**
 * Opens a safetensors file, or the files an `*.index.json` names; reads headers only.
 *
 * @example
 * ```ts
 * import { openSafetensors } from "./safetensors.ts";
 *
 * using weights = await openSafetensors("models/checkpoints/fashion/ema.safetensors");
 * const { shape } = weights.info("pos_embed");
 * const values = weights.readFloat32("pos_embed");
 * ```
 *
 * @param record what was written down about the file when it was written; length and header are
 * compared at once, the contents by `checkContents`. Not for sharded files
 * @throws {InputError} one line that names the file, the tensor and what is wrong
 */
export async function openSafetensors(path: string, record?: FileRecord): Promise<TensorReader> {
  return await (path.endsWith(".json") ? openSharded(path) : openFile(path, record));
}
