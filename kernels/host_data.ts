/**
 * The border between host and device: typed arrays as the bytes of a buffer, and back.
 *
 * @module
 */
import type { DeviceBuffer } from "./device.ts";
import { type HostArray, type StoredArray, storedBytes } from "./shape.ts";

/** What of a buffer matters here. */
type Described = Pick<DeviceBuffer, "name" | "dtype" | "elements">;

const arrays = { f32: Float32Array, i32: Int32Array, f16: Float16Array } as const;

/**
 * The bytes that `DeviceBuffer.write` puts from `offset` (in elements) on; a multiple of four.
 *
 * @throws RangeError when the buffer holds another type, the data does not fit, or fills only a part of an `f16` buffer
 */
export function bytesToWrite(
  { name, dtype, elements }: Described,
  data: StoredArray,
  offset: number,
): Uint8Array {
  const rounded = dtype === "f16" && data instanceof Float32Array;
  if (!rounded && !(data instanceof arrays[dtype])) {
    throw new RangeError(`${name} holds ${dtype}, not ${data.constructor.name}`);
  }
  if (offset < 0 || offset + data.length > elements) {
    throw new RangeError(`${name}: ${data.length} elements at ${offset} do not fit ${elements}`);
  }
  if (dtype !== "f16") return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  // A part could begin or end in the middle of a word, which WebGPU cannot write.
  if (data.length !== elements) {
    throw new RangeError(`${name}: ${data.length} of ${elements} elements; f16 is written whole`);
  }
  const bytes = new Uint8Array(storedBytes(dtype, elements));
  new Float16Array(bytes.buffer, 0, elements).set(data);
  return bytes;
}

/** The contents of a buffer from its bytes, which are not shared with a device. */
export function contentsOf({ dtype, elements }: Described, bytes: ArrayBuffer): HostArray {
  if (dtype === "f16") return Float32Array.from(new Float16Array(bytes, 0, elements));
  return new arrays[dtype](bytes, 0, elements);
}
