/**
 * Class probabilities from logits, in float64 and without overflow.
 *
 * @module
 */

/**
 * How logits become probabilities: `softmax` for models trained with cross entropy over classes,
 * `sigmoid` for those trained with one binary loss a class, as NaViT is (section 3).
 */
export type Activation = "softmax" | "sigmoid";

/**
 * The probabilities of the classes of one image.
 *
 * @param logits (classes), finite
 *
 * @example
 * ```ts
 * import { probabilities } from "./probabilities.ts";
 *
 * probabilities([1000, 1000], "softmax"); // 0.5, 0.5
 * probabilities([0, -1000], "sigmoid"); // 0.5, 0
 * ```
 */
export function probabilities(logits: ArrayLike<number>, activation: Activation): Float64Array {
  return activation === "softmax" ? softmax(logits) : Float64Array.from(logits, sigmoid);
}

/** `exp(x_i) / sum exp(x_j)`, with the largest logit taken from all so that no exponential grows. */
function softmax(logits: ArrayLike<number>): Float64Array {
  let largest = -Infinity;
  for (let index = 0; index < logits.length; index++) largest = Math.max(largest, logits[index]);
  const exponentials = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((sum, value) => sum + value, 0);
  return exponentials.map((value) => value / sum);
}

/** `1 / (1 + exp(-x))` in the form whose exponential is at most 1. */
function sigmoid(logit: number): number {
  const exponential = Math.exp(-Math.abs(logit));
  return (logit >= 0 ? 1 : exponential) / (1 + exponential);
}
