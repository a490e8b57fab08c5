/**
 * What an autoencoder and its discriminator minimise (Yu et al., arXiv:2310.05737, appendix A.2).
 *
 * @module
 */
import {
  add,
  divide,
  maximum,
  negate,
  softplus,
  square,
  subtract,
} from "../../kernels/ops/elementwise/op.ts";
import { gradients } from "../../kernels/graph/gradients.ts";
import { mean, reduceSum } from "../../kernels/ops/reduce/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";

/** What an autoencoder gets for reconstructions that are told from real clips: the non-saturating loss. */
export const generatorLoss = (fakeLogits: Tensor): Tensor => mean(softplus(negate(fakeLogits)));

/** What a discriminator gets for clips that it takes for the others. */
export const discriminatorLoss = (realLogits: Tensor, fakeLogits: Tensor): Tensor =>
  add(mean(softplus(negate(realLogits))), mean(softplus(fakeLogits)));

/** R1: the squared norm of the gradient of the logits at real clips, mean over the batch. */
export function gradientPenalty(realLogits: Tensor, real: Tensor): Tensor {
  const [gradient] = gradients(reduceSum(realLogits), [real]);
  return divide(reduceSum(square(gradient)), real.shape[0]);
}

/** Means of logits, each a scalar. */
export interface MeanLogits {
  readonly real: Tensor;
  readonly fake: Tensor;
}

/** LeCAM: how far the logits of a batch go beyond the running means of those of the others. */
export function lecam(batch: MeanLogits, running: MeanLogits): Tensor {
  const beyond = (a: Tensor, b: Tensor) => square(maximum(subtract(a, b), 0));
  return add(beyond(batch.real, running.fake), beyond(running.real, batch.fake));
}
