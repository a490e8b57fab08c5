/**
 * Posteriors of latents: independent normal distributions, as variational autoencoders put them out
 * (Kingma & Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114, appendix B).
 *
 * @module
 */
import {
  add,
  exponential,
  maximum,
  minimum,
  multiply,
  square,
  subtract,
} from "../kernels/ops/elementwise/op.ts";
import { split } from "../kernels/ops/movement/op.ts";
import { reduceSum } from "../kernels/ops/reduce/op.ts";
import type { Tensor } from "../kernels/tensor.ts";

/** The posterior of latents. */
export interface Posterior {
  /** Means (N, c, h, w). */
  readonly mean: Tensor;
  /** Logarithms of the variances (N, c, h, w), within {@link logVarianceBounds}. */
  readonly logVariance: Tensor;
}

/** Least and greatest logarithm of a variance. */
export const logVarianceBounds = { least: -30, greatest: 20 } as const;

/** The posterior of moments (N, 2 c, h, w): the means, then the logarithms of the variances. */
export function posterior(moments: Tensor): Posterior {
  const [mean, logVariance] = split(moments, 2, 1);
  const { least, greatest } = logVarianceBounds;
  return { mean, logVariance: minimum(maximum(logVariance, least), greatest) };
}

/** A sample of a posterior; `noise` (N, c, h, w) is standard normal. */
export function samplePosterior({ mean, logVariance }: Posterior, noise: Tensor): Tensor {
  return add(mean, multiply(exponential(multiply(0.5, logVariance)), noise));
}

/** The Kullback-Leibler divergence of each posterior (N) from the standard normal, in nats. */
export function divergence({ mean, logVariance }: Posterior): Tensor {
  const spread = subtract(subtract(exponential(logVariance), 1), logVariance);
  return reduceSum(multiply(0.5, add(square(mean), spread)), [1, 2, 3]);
}
