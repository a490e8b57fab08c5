/**
 * The header of a safetensors file: an 8-byte length, then JSON that says where each tensor lies.
 * Everything in it is checked here, so that readers may trust a parsed header.
 *
 * @module
 */

import { InputError, quote } from "../../base/errors.ts";
import { findDuplicateKey } from "../text/json.ts";
import { elementSizes, isStoredType } from "./codec.ts";
import type { TensorInfo } from "./tensor_reader.ts";

/** Longest header accepted, in bytes: the bound of the format's own implementation. */
const maximumHeaderLength = 100_000_000;

/** A checked header. */
export interface SafetensorsHeader {
  /** Free text by key. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Tensors by name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** Reads the 8-byte length that starts a file of `fileSize` bytes. */
export function parseHeaderLength(path: string, prefix: Uint8Array, fileSize: number): number {
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(maximumHeaderLength)) {
    throw new InputError(
      `${path}: not a safetensors file: header length ${length} is over the limit of ` +
        `${maximumHeaderLength} bytes`,
    );
  }
  if (8 + Number(length) > fileSize) {
    throw new InputError(
      `${path}: truncated: header of ${length} bytes in a file of ${fileSize} bytes`,
    );
  }
  return Number(length);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseObject(path: string, bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    parsed = JSON.parse(text);
  } catch {
    throw new InputError(`${path}: not a safetensors file: the header is not JSON`);
  }
  if (!isObject(parsed)) {
    throw new InputError(`${path}: not a safetensors file: the header is not a JSON object`);
  }
  const duplicate = findDuplicateKey(text);
  if (duplicate !== undefined) {
    throw new InputError(`${path}: name ${quote(duplicate)} occurs twice in the header`);
  }
  return parsed;
}

function parseMetadata(path: string, value: unknown): Record<string, string> {
  if (!isObject(value)) throw new InputError(`${path}: __metadata__ is not an object`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") {
      throw new InputError(`${path}: metadata ${quote(key)} is not a string`);
    }
  }
  return value as Record<string, string>;
}

/** Checks one entry; `dataStart` and `dataLength` bound the data section, in bytes. */
function parseTensor(
  where: string,
  name: string,
  value: unknown,
  dataStart: number,
  dataLength: number,
): TensorInfo {
  if (!isObject(value)) throw new InputError(`${where}: entry is not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isStoredType(dtype)) {
    const known = Object.keys(elementSizes).join(", ");
    throw new InputError(`${where}: dtype ${quote(String(dtype))} is not one of ${known}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw new InputError(`${where}: shape is not a list of whole numbers from 0 up`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw new InputError(`${where}: data_offsets are not two whole numbers from 0 up`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataLength) {
    throw new InputError(
      `${where}: data at bytes ${begin}..${end}, but the file holds ${dataLength} bytes of data` +
        (begin > end ? "" : " (truncated?)"),
    );
  }
  const elementCount = (shape as number[]).reduce((product, size) => product * size, 1);
  const byteLength = elementCount * elementSizes[dtype];
  if (byteLength !== end - begin) {
    throw new InputError(
      `${where}: ${dtype} of shape [${shape.slice(0, 8)}] takes ${byteLength} bytes, ` +
        `data_offsets give it ${end - begin}`,
    );
  }
  return { name, type: dtype, shape, elementCount, byteLength, offset: dataStart + begin };
}

/** Checks that tensors, sorted by offset, tile the data section without overlaps or gaps. */
function checkTiling(path: string, sorted: TensorInfo[], start: number, end: number): void {
  let position = start;
  let previous = "the header";
  for (const { name, offset, byteLength } of sorted) {
    if (offset !== position) {
      const problem = offset < position ? "overlaps" : "leaves a gap after";
      throw new InputError(`${path}: tensor ${quote(name)} ${problem} ${previous}`);
    }
    position += byteLength;
    previous = `tensor ${quote(name)}`;
  }
  if (position !== end) {
    throw new InputError(`${path}: ${end - position} bytes after ${previous} belong to no tensor`);
  }
}

/**
 * Parses and checks a header.
 *
 * @param path the file, for messages
 * @param bytes the JSON part, without the 8-byte length
 * @param fileSize length of the whole file in bytes
 * @throws {InputError} naming the file, the tensor and what is wrong
 */
export function parseHeader(path: string, bytes: Uint8Array, fileSize: number): SafetensorsHeader {
  const entries = Object.entries(parseObject(path, bytes));
  const dataStart = 8 + bytes.length;
  let metadata: Record<string, string> = {};
  const tensors: TensorInfo[] = [];
  for (const [name, value] of entries) {
    if (name === "__metadata__") {
      metadata = parseMetadata(path, value);
    } else {
      const where = `${path}: tensor ${quote(name)}`;
      tensors.push(parseTensor(where, name, value, dataStart, fileSize - dataStart));
    }
  }
  // An empty tensor sorts before the one that starts at the same byte.
  tensors.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkTiling(path, tensors, dataStart, fileSize);
  return { metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}
