/**
 * Element types of stored tensors and their conversion to and from JavaScript arrays.
 *
 * Everything is little-endian, as is every machine Deno runs on.
 *
 * @module
 */

/** An element type that a safetensors file may name. */
export type StoredType =
  | "BOOL"
  | "U8"
  | "I8"
  | "F8_E4M3"
  | "F8_E5M2"
  | "I16"
  | "U16"
  | "F16"
  | "BF16"
  | "I32"
  | "U32"
  | "F32"
  | "I64"
  | "U64"
  | "F64";

/** Bytes an element of each type takes. */
export const elementSizes: Readonly<Record<StoredType, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
};

/** Whether a name is that of a stored element type. */
export function isStoredType(name: unknown): name is StoredType {
  return typeof name === "string" && Object.hasOwn(elementSizes, name);
}

/** A view of the kind {@link viewStored} returns. */
export type StoredView =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float16Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/**
 * Stored bytes as numbers, without a copy.
 *
 * BF16 comes as its 16 bits (Uint16Array) and 8-bit floats as their 8 (Uint8Array), since JavaScript
 * has no such arrays.
 *
 * @param bytes starts at a multiple of the element size within its buffer
 */
export function viewStored(type: StoredType, bytes: Uint8Array): StoredView {
  const { buffer, byteOffset } = bytes;
  const count = bytes.length / elementSizes[type];
  switch (type) {
    case "F16":
      return new Float16Array(buffer, byteOffset, count);
    case "F32":
      return new Float32Array(buffer, byteOffset, count);
    case "F64":
      return new Float64Array(buffer, byteOffset, count);
    case "I8":
      return new Int8Array(buffer, byteOffset, count);
    case "I16":
      return new Int16Array(buffer, byteOffset, count);
    case "U16":
    case "BF16":
      return new Uint16Array(buffer, byteOffset, count);
    case "I32":
      return new Int32Array(buffer, byteOffset, count);
    case "U32":
      return new Uint32Array(buffer, byteOffset, count);
    case "I64":
      return new BigInt64Array(buffer, byteOffset, count);
    case "U64":
      return new BigUint64Array(buffer, byteOffset, count);
    default:
      return bytes;
  }
}

/** Element types {@link decodeFloat32} does not know. */
export function isOpaque(type: StoredType): boolean {
  return type === "F8_E4M3" || type === "F8_E5M2";
}

/**
 * Decodes stored elements to 32-bit floats: F16 and BF16 exactly, F64 and wide integers rounded to
 * nearest.
 *
 * @param out as long as there are elements in `bytes`
 */
export function decodeFloat32(type: StoredType, bytes: Uint8Array, out: Float32Array): void {
  const source = viewStored(type, bytes);
  if (type === "BF16") {
    const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let index = 0; index < bits.length; index++) bits[index] = Number(source[index]) << 16;
  } else if (source instanceof BigInt64Array || source instanceof BigUint64Array) {
    for (let index = 0; index < out.length; index++) out[index] = Number(source[index]);
  } else {
    out.set(source);
  }
}

/** The upper 16 bits of 32-bit floats, rounded to nearest, ties to even. */
function encodeBFloat16(source: Float32Array, out: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let index = 0; index < bits.length; index++) {
    const word = bits[index];
    const isNaN = (word & 0x7fffffff) > 0x7f800000;
    // Rounding could carry a NaN over to infinity or zero: keep it, and keep it quiet.
    out[index] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
}

/**
 * Encodes 32-bit floats as F32, F16 or BF16, rounded to nearest, ties to even.
 *
 * @param out as many bytes as the elements take, starting at a multiple of the element size
 */
export function encodeFloat32(
  source: Float32Array,
  type: "F32" | "F16" | "BF16",
  out: Uint8Array,
): void {
  const target = viewStored(type, out);
  if (type === "BF16") encodeBFloat16(source, target as Uint16Array);
  else (target as Float32Array | Float16Array).set(source);
}
