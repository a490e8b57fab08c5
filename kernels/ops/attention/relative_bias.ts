/**
 * Where a table of relative biases has the entry of a query and a key, both tokens of one window.
 *
 * A window of s1 x ... x sn tokens, numbered row-major, has a table of (2 s1 - 1) x ... x (2 sn - 1)
 * entries a head, the one at `query - key + s - 1` along each axis. Numbering entries row-major too gives
 * every token a place, so that the entry of a pair is `place(query) - place(key) + middle`.
 *
 * @module
 */
import { contiguousStrides, elementCount, type Shape } from "../../shape.ts";

/** A window and the table of one head for it. */
export interface BiasTable {
  /** Tokens along each axis of the window. */
  readonly window: readonly number[];
  /** Entries from one place to the next along each axis. */
  readonly strides: readonly number[];
  /** Entries of a head. */
  readonly entries: number;
  /** Number of the entry of a token and itself. */
  readonly middle: number;
}

/** The window of a table of shape (H, 2 s1 - 1, ..., 2 sn - 1). */
export function biasTable({ shape: [, ...sizes] }: { readonly shape: Shape }): BiasTable {
  const entries = elementCount(sizes);
  return {
    window: sizes.map((size) => (size + 1) / 2),
    strides: contiguousStrides(sizes),
    entries,
    middle: (entries - 1) / 2,
  };
}
