/**
 * Memory of the reference interpreter: one float64 array a buffer, read and written element by
 * element through views. Nothing here is fast; everything is meant to be obviously right.
 *
 * @module
 */
import type { View } from "../../kernels/view.ts";
import { elementCount, type Shape } from "../../kernels/shape.ts";

/** Contents of every buffer of a program, by buffer index. */
export type Memory = readonly Float64Array[];

/** Every multi-index of a shape in row-major order; a scalar has the single index `[]`. */
export function* indices(shape: Shape): Generator<readonly number[]> {
  const count = elementCount(shape);
  for (let flat = 0; flat < count; flat++) {
    const index = new Array<number>(shape.length);
    let rest = flat;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = rest % shape[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    yield index;
  }
}

/** Position in its buffer of one element of a view. */
export function position(view: View, index: readonly number[]): number {
  if (index.length !== view.shape.length) {
    throw new RangeError(`index (${index}) into a view of shape (${view.shape})`);
  }
  return index.reduce((sum, i, axis) => sum + i * view.strides[axis], view.offset);
}

/** The element of a view at a multi-index. */
export function read(memory: Memory, view: View, ...index: number[]): number {
  const at = position(view, index);
  const buffer = memory[view.buffer];
  if (!(at >= 0 && at < buffer.length)) {
    throw new RangeError(`read at ${at} of a buffer of ${buffer.length} elements`);
  }
  return buffer[at];
}

/** Sets the element of a view at a multi-index. */
export function write(memory: Memory, view: View, index: readonly number[], value: number): void {
  const at = position(view, index);
  const buffer = memory[view.buffer];
  if (!(at >= 0 && at < buffer.length)) {
    throw new RangeError(`write at ${at} of a buffer of ${buffer.length} elements`);
  }
  buffer[at] = value;
}

/** Numbers 0, 1, ..., count - 1. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Sum of `term(i)` for i from 0 to count - 1, in order. */
export function sum(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}
