/**
 * The step that widens half to single precision.
 *
 * @module
 */
import type { View } from "../../view.ts";

/** `output[i] = input[i]`: half precision to single precision, every number exactly. */
export interface WidenStep {
  /** Discriminates `Step`. */
  readonly kind: "widen";
  /** f16, a whole buffer. */
  readonly input: View;
  /** f32, a whole buffer. */
  readonly output: View;
}
