/**
 * Reading safetensors files, single or sharded by an `*.index.json`.
 *
 * Opening reads the header only; a tensor's bytes are read when they are asked for.
 *
 * @module
 */

import { basename, dirname, join } from "@std/path";
import { ChecksumReader, type FileRecord } from "../files/checksum.ts";
import { InputError, quote } from "../../base/errors.ts";
import { foreignFormat, startLength } from "./foreign_weights.ts";
import { RangeFile } from "../files/range_file.ts";
import { parseHeader, parseHeaderLength } from "./safetensors_header.ts";
import { findTensor, StoredTensors, type TensorInfo, type TensorReader } from "./tensor_reader.ts";

export type { FileRecord } from "../files/checksum.ts";
export { renamed, type TensorInfo, type TensorReader } from "./tensor_reader.ts";
export type { StoredType } from "./codec.ts";
export {
  teeSafetensors,
  type TensorData,
  type TensorLayout,
  type TensorToWrite,
  type WritableType,
  writeSafetensors,
} from "./safetensors_writer.ts";

/** One safetensors file. */
class SafetensorsFile extends StoredTensors {
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
    super();
    this.#file = file;
    this.#bytes = bytes;
    this.#record = record;
    this.path = file.path;
  }

  override readBytes(name: string): Uint8Array<ArrayBuffer> {
    const { offset, byteLength } = this.info(name);
    return this.#bytes.read(offset, byteLength);
  }

  protected override readPart({ offset }: TensorInfo, start: number, out: Uint8Array): void {
    this.#bytes.readInto(offset + start, out);
  }

  override checkContents(): void {
    if (this.#record) {
      requireSame(
        this.path,
        "the checksum of its contents",
        this.#bytes.finish(),
        this.#record.contents,
      );
    }
  }

  override close(): void {
    this.#file.close();
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
