/**
 * The scratch area of an attention task: where its panels and tiles lie, and how generated code
 * addresses them.
 *
 * @module
 */
import type { FunctionBuilder, Local } from "../../wasm/emit/assembler.ts";
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

/** Pushes `base + offset`. */
export function pushAddress(f: FunctionBuilder, base: Local, offset: number): FunctionBuilder {
  f.get(base);
  if (offset) f.i32Const(offset).i32Add();
  return f;
}

/** Pushes the smaller of a local and a constant, unsigned. */
export function pushMinimum(f: FunctionBuilder, x: Local, limit: number): FunctionBuilder {
  return f.get(x).i32Const(limit).get(x).i32Const(limit).i32LtU().select();
}

/** Moves a pointer on by `rows` (a local) rows of `bytes`. */
export function advance(f: FunctionBuilder, pointer: Local, rows: Local, bytes: number): void {
  if (bytes !== 0) f.get(rows).i32Const(bytes).i32Mul().get(pointer).i32Add().set(pointer);
}
