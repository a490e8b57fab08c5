/**
 * Code that finds elements of strided operands: offsets of rows in a loop nest, and vectors of four
 * elements at any stride.
 *
 * @module
 */
import type { FunctionBuilder, Local } from "./assembler.ts";
import { address, integer } from "./integers.ts";
import { assign, kept } from "./values.ts";

/**
 * Sets `pointers[k]` to `bases[k]` plus the offset of the position `index` in the axes `sizes`
 * (row-major), where `strides[k]` are operand k's strides in elements.
 */
export function setRowPointers(
  f: FunctionBuilder,
  index: Local,
  sizes: readonly number[],
  strides: readonly (readonly number[])[],
  bases: readonly Local[],
  pointers: readonly Local[],
): void {
  bases.forEach((base, k) => assign(f, pointers[k], base));
  f.withLocals(["i32", "i32", "i32"], (rest, quotient, coordinate) => {
    assign(f, rest, index);
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      if (axis === 0) {
        assign(f, coordinate, rest);
      } else {
        assign(f, quotient, integer.divide(rest, sizes[axis]));
        assign(f, coordinate, integer.subtract(rest, integer.multiply(quotient, sizes[axis])));
        assign(f, rest, quotient);
      }
      strides.forEach((operand, k) => {
        if (operand[axis] === 0) return;
        assign(f, pointers[k], address(pointers[k], [coordinate, 4 * operand[axis]]));
      });
    }
  });
}

/** Pushes an address `bytes` away from a pointer, which may lie before it. */
function pushAddress(f: FunctionBuilder, pointer: Local, bytes: number): { offset: number } {
  f.get(pointer);
  if (bytes >= 0) return { offset: bytes };
  f.i32Const(bytes).i32Add();
  return { offset: 0 };
}

/**
 * Pushes `lanes` (4 or 1) elements that start `first` elements of the given stride after a pointer.
 * A single element lands in lane 0, the other lanes are zero.
 */
export function loadStrided(
  f: FunctionBuilder,
  pointer: Local,
  stride: number,
  first: number,
  lanes: 1 | 4,
): void {
  const start = pushAddress(f, pointer, 4 * stride * first);
  if (lanes === 1) {
    f.v128Load32Zero(start.offset);
  } else if (stride === 0) {
    f.v128Load32Splat(start.offset);
  } else if (stride === 1) {
    f.v128Load(start.offset);
  } else {
    f.v128Load32Zero(start.offset);
    f.withLocals(["v128"], (gathered) => {
      for (let lane = 1; lane < 4; lane++) {
        f.set(gathered);
        const { offset } = pushAddress(f, pointer, 4 * stride * (first + lane));
        f.get(gathered).v128Load32Lane(lane, offset);
      }
    });
  }
}

const lineBytes = 64;

/**
 * Reads one element of every cache line of `bytes` from an address on, in their order: the hardware
 * fetches far ahead of that, but not of many rows side by side. `touched` comes to depend on all
 * that is read, and has to be stored somewhere: what nobody uses is not read.
 */
export function touchLines(
  f: FunctionBuilder,
  start: Local,
  bytes: Local | number,
  touched: Local,
): void {
  f.withLocals(["i32", "i32"], (line, end) => {
    assign(f, end, integer.add(kept(line, start), bytes));
    f.forRange(line, end, lineBytes, () => {
      assign(f, touched, integer.xor(integer.load(line), touched));
    });
  });
}
