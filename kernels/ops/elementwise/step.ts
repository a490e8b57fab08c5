/**
 * The step of element-wise operations.
 *
 * @module
 */
import type { Expression } from "../../expression.ts";
import type { View } from "../../view.ts";

/** `output[i] = expression(inputs[0][i], inputs[1][i], ...)`. */
export interface ElementwiseStep {
  /** Discriminates `Step`. */
  readonly kind: "elementwise";
  /** All of the output's shape (broadcast axes have stride 0). One of them may be exactly the
   * output's view: the operation is then in place. */
  readonly inputs: readonly View[];
  /** Operands whose memory the plan may give to the output; none when absent. */
  readonly inPlace?: readonly View[];
  /** `load(k)` is the element of `inputs[k]`. */
  readonly expression: Expression;
  /** Any strides with innermost stride 1, of the expression's type. */
  readonly output: View;
}
