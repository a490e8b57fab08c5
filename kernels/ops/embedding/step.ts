/**
 * The steps that read rows of a table and add to them.
 *
 * @module
 */
import type { View } from "../../view.ts";

/** `output[i] = table[indices[i]]`; an index outside the table reads row 0 (hosts check before). */
export interface GatherStep {
  /** Discriminates `Step`. */
  readonly kind: "gather";
  /** Contiguous (rows, D) */
  readonly table: View;
  /** i32 contiguous (count) */
  readonly indices: View;
  /** Contiguous (count, D) */
  readonly output: View;
}

/** `output[r] = sum of source[i] over all i with indices[i] = r`, in the order of i; other rows 0. */
export interface ScatterAddStep {
  /** Discriminates `Step`. */
  readonly kind: "scatterAdd";
  /** i32 contiguous (count) */
  readonly indices: View;
  /** Contiguous (count, D) */
  readonly source: View;
  /** Contiguous (rows, D) */
  readonly output: View;
}
