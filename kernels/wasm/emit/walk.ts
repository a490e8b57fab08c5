/**
 * Walking a number of elements that is only known at run time: whole groups of vectors, then single
 * vectors, then single elements.
 *
 * @module
 */
import type { FunctionBuilder, Local } from "./assembler.ts";

/** One turn of a walk: `vectors` vectors of `lanes` elements (1 lane: a single element). */
export interface Turn {
  readonly vectors: number;
  readonly lanes: 1 | 4;
  /** Elements consumed. */
  readonly elements: number;
}

/**
 * Emits loops that consume `remaining` elements (an i32 local, left below the last turn's size).
 *
 * @param body Emits one turn; it must move its pointers on by `turn.elements`.
 */
export function walkElements(
  f: FunctionBuilder,
  remaining: Local,
  unroll: number,
  body: (turn: Turn) => void,
): void {
  const turns: Turn[] = [
    { vectors: unroll, lanes: 4, elements: 4 * unroll },
    { vectors: 1, lanes: 4, elements: 4 },
    { vectors: 1, lanes: 1, elements: 1 },
  ];
  for (const turn of unroll > 1 ? turns : turns.slice(1)) {
    f.get(remaining).i32Const(turn.elements).i32GeU().if(() =>
      f.loop((again) => {
        body(turn);
        f.get(remaining).i32Const(turn.elements).i32Sub().tee(remaining);
        f.i32Const(turn.elements).i32GeU().branchIf(again);
      })
    );
  }
}
