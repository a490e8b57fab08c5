/**
 * The scratch area of an attention task: where its panels and tiles lie, and how generated code
 * addresses them.
 *
 * @module
 */
import type { FunctionBuilder, Local } from "../../wasm/emit/assembler.ts";
import { integer } from "../../wasm/emit/integers.ts";
import { assign, type Operand, type Value } from "../../wasm/emit/values.ts";
import { packingSlack } from "../matmul/wasm_pack.ts";

/** Rounds up to whole vectors. */
export function wholeVectors(elements: number): number {
  return Math.ceil(elements / 4) * 4;
}

/** Elements a row of a score tile takes: padded so that rows do not all start in one cache set. */
export function tileRowElements(columns: number): number {
  return wholeVectors(columns) + 16;
}

/** Hands out consecutive parts of a scratch area, each with the room that packing may overrun. */
export class ScratchLayout {
  #bytes = 0;

  /** Size of everything so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Offset in bytes, a whole number of cache lines, of room for `elements` numbers. */
  take(elements: number): number {
    const start = this.#bytes;
    this.#bytes += Math.ceil(elements / 16) * 64 + packingSlack;
    return start;
  }
}

/** `base + offset`. */
export function scratchAddress(base: Local, offset: number): Operand {
  return offset ? integer.add(base, offset) : base;
}

/** Rounded up to whole vectors, at run time. */
export function inWholeVectors(count: Local): Value {
  return integer.and(integer.add(count, 3), -4);
}

/** Moves a pointer on by `rows` (a local) rows of `bytes`. */
export function advance(f: FunctionBuilder, pointer: Local, rows: Local, bytes: number): void {
  if (bytes !== 0) assign(f, pointer, integer.add(integer.multiply(rows, bytes), pointer));
}
