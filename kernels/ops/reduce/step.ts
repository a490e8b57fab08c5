/**
 * The step of sums and maxima over axes.
 *
 * @module
 */
import type { Expression } from "../../expression.ts";
import type { View } from "../../view.ts";

/** `output[i] = finish(operator over j of expression(inputs[0][i, j], ...))`. */
export interface ReduceStep {
  /** Discriminates `Step`. */
  readonly kind: "reduce";
  /** How the values of `expression` are combined. */
  readonly operator: "sum" | "maximum";
  /** Shapes are `output.shape` followed by the reduced axes. */
  readonly inputs: readonly View[];
  /** `load(k)` is the element of `inputs[k]`. */
  readonly expression: Expression;
  /** Applied to the reduced value, `load(0)`. */
  readonly finish: Expression;
  /** The kept axes only; a scalar when every axis is reduced. */
  readonly output: View;
}
