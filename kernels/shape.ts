/**
 * Shapes, strides and element types: the vocabulary every other file of the engine speaks.
 *
 * @module
 */

/**
 * Element types of tensors in memory. `i32` holds labels and ids. `f16` (IEEE 754 binary16) is a matter
 * of memory, for weights that are only read and, where a device can write it, for activations: it is
 * widened, exactly, when it is read.
 */
export type DType = "f32" | "i32" | "f16";

/** Types that are computed with: floating-point arithmetic is 32-bit on every device. */
export type ArithmeticType = Exclude<DType, "f16">;

/** Types in which floating-point numbers are stored. */
export type FloatType = Exclude<DType, "i32">;

/** The type in which the elements of a tensor enter arithmetic. */
export function arithmeticType(dtype: DType): ArithmeticType {
  return dtype === "f16" ? "f32" : dtype;
}

/** Bytes of one element in memory. */
export const elementBytes: Readonly<Record<DType, number>> = { f32: 4, i32: 4, f16: 2 };

/** Bytes of `elements` elements in memory, in whole words of four bytes. */
export function storedBytes(dtype: DType, elements: number): number {
  return Math.ceil(elementBytes[dtype] * elements / 4) * 4;
}

/** Numbers as the host reads them from a device: `f16` comes as 32-bit floats. */
export type HostArray = Float32Array | Int32Array;

/** Numbers as a device keeps them; a Float16Array holds the bits of `f16` as they are. */
export type StoredArray = HostArray | Float16Array;

/** Sizes of the axes, slowest first. A scalar has the shape `[]`. */
export type Shape = readonly number[];

/** Number of elements of a shape: the product of its sizes, 1 for a scalar. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** Strides, in elements, of a contiguous row-major tensor. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** Whether two shapes are the same. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** A shape as people write it: `(8, 256, 384)`. */
export function formatShape(shape: Shape): string {
  return `(${shape.join(", ")})`;
}

/** What was asked for is larger than a tensor or the memory of a device can be. */
export class TooLargeError extends RangeError {
  /** Shown before the message. */
  override readonly name = "TooLargeError";
  /** Exit code of the command line: a smaller model or batch helps, this is no fault of Tessera. */
  readonly exitCode = 1;
}

/**
 * Checks that every size is a positive whole number and that the element count is addressable.
 *
 * @throws RangeError naming `what` and the shape
 * @throws TooLargeError above 2^30 elements
 */
export function checkShape(shape: Shape, what: string): void {
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 1) {
      throw new RangeError(`${what}: ${formatShape(shape)} has a size that is not at least 1`);
    }
  }
  if (elementCount(shape) > 2 ** 30) {
    throw new TooLargeError(
      `${what}: ${formatShape(shape)} has more than 2^30 elements; use a smaller batch or model`,
    );
  }
}

/**
 * The shape two operands broadcast to (trailing axes aligned, sizes equal or 1).
 *
 * @throws RangeError naming `what` and both shapes when they do not fit.
 */
export function broadcastShapes(a: Shape, b: Shape, what: string): number[] {
  const rank = Math.max(a.length, b.length);
  const result = new Array<number>(rank);
  for (let axis = 0; axis < rank; axis++) {
    const sizeA = a[axis - rank + a.length] ?? 1;
    const sizeB = b[axis - rank + b.length] ?? 1;
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1) {
      throw new RangeError(`${what}: ${formatShape(a)} and ${formatShape(b)} do not broadcast`);
    }
    result[axis] = sizeA === 1 ? sizeB : sizeA;
  }
  return result;
}

/**
 * An axis as a number from 0, counted from the end when negative.
 *
 * @throws RangeError naming `what` when the rank has no such axis
 */
export function normalizeAxis(axis: number, rank: number, what: string): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= rank) {
    throw new RangeError(`${what}: axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return normalized;
}
