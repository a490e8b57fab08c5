/**
 * Walking a number of elements that is only known at run time: whole groups of vectors, then smaller
 * groups and single vectors, then single elements.
 *
 * @module
 */
import type { FunctionBuilder, Local } from "./assembler.ts";
import { integer } from "./integers.ts";
import { branchWhen, kept, when } from "./values.ts";

/** One turn of a walk: `vectors` vectors of `lanes` elements (1 lane: a single element). */
export interface Turn {
  readonly vectors: number;
  readonly lanes: 1 | 4;
  /** Elements consumed. */
  readonly elements: number;
}

/**
 * Emits loops that consume `remaining` elements (an i32 local, left below the last turn's size).
 * `unroll` is a power of two.
 *
 * @param body Emits one turn; it must move its pointers on by `turn.elements`.
 */
export function walkElements(
  f: FunctionBuilder,
  remaining: Local,
  unroll: number,
  body: (turn: Turn) => void,
): void {
  const turns: Turn[] = [];
  for (let vectors = unroll; vectors > 1; vectors /= 4) {
    turns.push({ vectors, lanes: 4, elements: 4 * vectors });
  }
  turns.push({ vectors: 1, lanes: 4, elements: 4 }, { vectors: 1, lanes: 1, elements: 1 });
  for (const turn of turns) {
    const { elements } = turn;
    when(f, integer.atLeast(remaining, elements), () =>
      f.loop((again) => {
        body(turn);
        const rest = kept(remaining, integer.subtract(remaining, elements));
        branchWhen(f, integer.atLeast(rest, elements), again);
      }));
  }
}
