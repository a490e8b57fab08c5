/**
 * Loop nests over several strided operands, brought to the fewest axes: axes of one element are
 * dropped, and two neighbouring axes become one where every operand walks through them in equal
 * steps.
 *
 * @module
 */
import type { Shape } from "../shape.ts";

/** Axes of a loop nest, slowest first; `strides[operand][axis]` in elements. */
export interface LoopNest {
  readonly sizes: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/** Brings a loop nest to the fewest axes. The order of iteration stays the same. */
export function collapseAxes(shape: Shape, strides: readonly (readonly number[])[]): LoopNest {
  const sizes: number[] = [];
  const collapsed: number[][] = strides.map(() => []);
  shape.forEach((size, axis) => {
    if (size === 1) return;
    const last = sizes.length - 1;
    const mergeable = last >= 0 &&
      strides.every((operand, k) => collapsed[k][last] === operand[axis] * size);
    if (mergeable) sizes[last] *= size;
    else sizes.push(size);
    const position = sizes.length - 1;
    strides.forEach((operand, k) => collapsed[k][position] = operand[axis]);
  });
  return { sizes, strides: collapsed };
}

/** A loop nest as a name: equal nests have equal names. */
export function nestName({ sizes, strides }: LoopNest): string {
  return [sizes, ...strides].map((numbers) => numbers.join(".")).join("_");
}
