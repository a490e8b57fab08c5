/**
 * The step of random numbers.
 *
 * @module
 */
import type { View } from "../../view.ts";

/**
 * Philox 4x32-10 random numbers, one independent stream per row.
 *
 * Row r, element e of the output takes word e % 4 of the block with counter
 * `(floor(e / 4), rows[r], draw, stream)` and key `(seed[0], seed[1])`. How words become numbers:
 * see `random.ts`.
 */
export interface RandomStep {
  /** Discriminates `Step`. */
  readonly kind: "random";
  /** Standard normal, or uniform in [0, 1). */
  readonly distribution: "normal" | "uniform";
  /** i32 (2) */
  readonly seed: View;
  /** i32 contiguous (R) */
  readonly rows: View;
  /** i32 scalar */
  readonly draw: View;
  /** Fourth word of the counter: tells different uses of randomness apart. */
  readonly stream: number;
  /** Contiguous (R, E...) f32 */
  readonly output: View;
}
