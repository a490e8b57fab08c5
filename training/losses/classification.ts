/**
 * Cross-entropy of packed images (NaViT, section 3): softmax, or a sigmoid for each class.
 *
 * @module
 */
import { binary, constant, select } from "../../kernels/expression.ts";
import {
  add,
  exponential,
  logarithm,
  map,
  multiply,
  softplus,
  subtract,
} from "../../kernels/ops/elementwise/op.ts";
import { detach, reshape } from "../../kernels/ops/movement/op.ts";
import { reduceMaximum, reduceSum } from "../../kernels/ops/reduce/op.ts";
import { constantTensor, type Tensor } from "../../kernels/tensor.ts";
import type { Measured } from "../step/step_graphs.ts";

/** What the images of a batch are. */
export interface SlotTargets {
  /** i32 (B, E): class of each image. */
  readonly labels: Tensor;
  /** (B, E): share of each image in the loss, 0 for empty slots. */
  readonly weights: Tensor;
}

/**
 * Cross-entropy of logits (B, E, K), and the share of images whose class has the largest logit.
 *
 * @param loss `softmax`: -log p of the class; `sigmoid`: the sum over all classes of the binary
 * cross-entropies
 */
export function classificationLoss(
  logits: Tensor,
  { labels, weights }: SlotTargets,
  loss: "softmax" | "sigmoid",
): Measured {
  const [sequences, slots, classes] = logits.shape;
  const numbers = constantTensor(Int32Array.from({ length: classes }, (_, k) => k), [classes]);
  const isLabel = map(
    (label, k) => select(binary("equal", label, k), constant(1), constant(0)),
    reshape(labels, [sequences, slots, 1]),
    numbers,
  );
  const ofLabel = reduceSum(multiply(logits, isLabel), [2]);
  const largest = detach(reduceMaximum(logits, [2]));
  const normalizer = loss === "softmax"
    ? logSumExp(logits, largest)
    : reduceSum(softplus(logits), [2]);
  const isCorrect = map(
    (own, best) => select(binary("lessEqual", best, own), constant(1), constant(0)),
    detach(ofLabel),
    largest,
  );
  return {
    loss: reduceSum(multiply(weights, subtract(normalizer, ofLabel))),
    terms: { accuracy: reduceSum(multiply(weights, isCorrect)) },
  };
}

/** log sum_k exp x_k of (B, E, K), given the largest x of each row. */
function logSumExp(x: Tensor, largest: Tensor): Tensor {
  const below = exponential(subtract(x, reshape(largest, [...largest.shape, 1])));
  return add(logarithm(reduceSum(below, [2])), largest);
}
