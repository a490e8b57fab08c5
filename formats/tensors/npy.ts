/**
 * The npy format of NumPy: a header that is a Python dictionary, then the elements of one array.
 *
 * @module
 */

import { InputError, quote } from "../../base/errors.ts";
import { elementSizes, type StoredType, type StoredView } from "./codec.ts";

/** What an npy header says. */
export interface NpyHeader {
  /** How the elements are stored. */
  readonly type: StoredType;
  /** Sizes of the axes, slowest first. */
  readonly shape: readonly number[];
  /** Whether the first axis varies fastest in the data. */
  readonly isFortranOrder: boolean;
  /** Length of the header in bytes: where the data starts. */
  readonly dataStart: number;
  /** Bytes the elements take. */
  readonly byteLength: number;
}

/** An array of NumPy, row-major. */
export interface NpyArray {
  /** How the elements were stored. */
  readonly type: StoredType;
  /** Sizes of the axes, slowest first. */
  readonly shape: readonly number[];
  /** The elements. */
  readonly data: StoredView;
}

/** NumPy's names of the element types. */
const descriptions: ReadonlyMap<string, StoredType> = new Map([
  ["|b1", "BOOL"],
  ["|u1", "U8"],
  ["|i1", "I8"],
  ["<u2", "U16"],
  ["<i2", "I16"],
  ["<f2", "F16"],
  ["<u4", "U32"],
  ["<i4", "I32"],
  ["<f4", "F32"],
  ["<u8", "U64"],
  ["<i8", "I64"],
  ["<f8", "F64"],
]);

const magic = "\x93NUMPY";

/** Longest header accepted, in bytes. */
export const maximumNpyHeader = 1 << 16;

/**
 * Parses the header of an npy file.
 *
 * @param where the file, for messages
 * @param bytes its first {@link maximumNpyHeader} bytes, or all of it when it is shorter
 * @throws {InputError} when it is not a header of an array of plain little-endian numbers
 */
export function parseNpyHeader(where: string, bytes: Uint8Array): NpyHeader {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  const version = start.charCodeAt(6);
  if (bytes.length < 12 || !start.startsWith(magic) || !(version >= 1 && version <= 3)) {
    throw new InputError(`${where}: not an npy array`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const textStart = version === 1 ? 10 : 12;
  const dataStart = textStart +
    (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (dataStart > bytes.length) {
    const problem = dataStart > maximumNpyHeader ? "is too long" : "is truncated";
    throw new InputError(`${where}: npy header of ${dataStart} bytes ${problem}`);
  }
  const text = new TextDecoder("latin1").decode(bytes.subarray(textStart, dataStart));
  return { ...parseDictionary(where, text), dataStart };
}

function parseDictionary(where: string, text: string): Omit<NpyHeader, "dataStart"> {
  const description = /'descr': *'([^']*)'/.exec(text)?.[1];
  const order = /'fortran_order': *(True|False)/.exec(text)?.[1];
  const sizes = /'shape': *\(([\d, ]*)\)/.exec(text)?.[1];
  if (description === undefined || order === undefined || sizes === undefined) {
    throw new InputError(
      `${where}: npy header ${quote(text.trim())} does not describe plain numbers`,
    );
  }
  const type = descriptions.get(description);
  if (type === undefined) {
    const known = [...descriptions.keys()].join(" ");
    throw new InputError(`${where}: element type ${quote(description)} is not one of ${known}`);
  }
  const shape = sizes.split(",").map((size) => size.trim()).filter(Boolean).map(Number);
  const byteLength = shape.reduce((product, size) => product * size, elementSizes[type]);
  if (!Number.isSafeInteger(byteLength)) {
    throw new InputError(`${where}: shape (${shape.slice(0, 8)}) is impossibly large`);
  }
  return { type, shape, isFortranOrder: order === "True", byteLength };
}

/** The header of a row-major array, padded with spaces so that the data starts 64-byte aligned. */
export function encodeNpyHeader(type: StoredType, shape: readonly number[]): Uint8Array {
  const description = [...descriptions].find(([, each]) => each === type)?.[0];
  if (description === undefined) throw new RangeError(`NumPy has no element type ${type}`);
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${description}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64;
  const bytes = new Uint8Array(length).fill(0x20);
  bytes.set(Array.from(magic, (character) => character.charCodeAt(0)));
  bytes.set([1, 0], 6);
  new DataView(bytes.buffer).setUint16(8, length - 10, true);
  bytes.set(new TextEncoder().encode(text), 10);
  bytes[length - 1] = 0x0a;
  return bytes;
}

/** Reorders elements whose first axis varies fastest so that the last one does, in place. */
export function fromFortranOrder(data: StoredView, shape: readonly number[]): void {
  const source = data.slice();
  const strides: number[] = [];
  shape.reduce((stride, size, axis) => (strides[axis] = stride) * size, 1);
  const position = new Array<number>(shape.length).fill(0);
  for (let index = 0, from = 0; index < data.length; index++) {
    data[index] = source[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++position[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      position[axis] = 0;
    }
  }
}
