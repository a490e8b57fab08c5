/**
 * The steps of layer norm and of its gradient.
 *
 * @module
 */
import type { View } from "../../view.ts";

/** `output = (x - mean) / sqrt(variance + epsilon) * (1 + scale) + shift` over the last axis. */
export interface LayerNormStep {
  /** Discriminates `Step`. */
  readonly kind: "layerNorm";
  /** (..., D), innermost stride 1 */
  readonly input: View;
  /** Shape of the input (broadcast); both or neither. Last axis stride 1. */
  readonly scale?: View;
  /** Shape of the input (broadcast), last axis stride 1; present when `scale` is. */
  readonly shift?: View;
  /** Added to the (biased) variance under the root. */
  readonly epsilon: number;
  /** Shape of the input. */
  readonly output: View;
  /** Contiguous (..., 2): mean and 1 / sqrt(variance + epsilon) of each row. Absent when unused. */
  readonly statistics?: View;
}

/**
 * Gradient of a layer norm with respect to its input (plus `addend`):
 * with x^ = (x - mean) * rstd and g = outputGradient * (1 + scale),
 * `output = addend + rstd * (g - mean(g) - x^ * mean(g * x^))`.
 */
export interface LayerNormGradientStep {
  /** Discriminates `Step`. */
  readonly kind: "layerNormGradient";
  /** x of the forward step, (..., D). */
  readonly input: View;
  /** From the forward step: contiguous (..., 2), mean and rstd of each row. */
  readonly statistics: View;
  /** Shape of the input (broadcast); absent when the forward step has none. */
  readonly scale?: View;
  /** (..., D) */
  readonly outputGradient: View;
  /** May be exactly the output's view (in place). */
  readonly addend?: View;
  /** Operands whose memory the plan may give to the output; none when absent. */
  readonly inPlace?: readonly View[];
  /** Gradient with respect to x, (..., D). */
  readonly output: View;
}
