/**
 * The objective of diffusion: predict the noise, or the velocity that says as much, and learn the variance
 * with the variational bound (DiT, section 3.1; Nichol and Dhariwal, "Improved denoising diffusion
 * probabilistic models").
 *
 * @module
 */
import {
  add,
  divide,
  exponential,
  logarithm,
  map,
  maximum,
  minimum,
  multiply,
  negate,
  square,
  subtract,
  tanh,
} from "../kernels/ops/elementwise/op.ts";
import { binary, constant, select } from "../kernels/expression.ts";
import { gather } from "../kernels/ops/embedding/op.ts";
import { detach, reshape, slice } from "../kernels/ops/movement/op.ts";
import { mean } from "../kernels/ops/reduce/op.ts";
import { constantTensor, type Tensor } from "../kernels/tensor.ts";
import type { Schedule } from "./schedule.ts";
import { noiseBy, velocityOf } from "./velocity.ts";

/** What networks are trained to predict: the noise or the velocity of a diffusion, or that of a flow. */
export const objectives = ["noise", "velocity", "flow"] as const;

/** One of {@link objectives}. */
export type Objective = (typeof objectives)[number];

/** How errors at different noise levels count: alike, or least where there is hardly any noise. */
export const lossWeights = ["uniform", "min-snr"] as const;

/** One of {@link lossWeights}. */
export type LossWeight = (typeof lossWeights)[number];

/** The schedule's numbers at the time steps of a batch, each (N, 1, 1, 1). */
export interface ScheduleAt {
  /** sqrt(alphaBar): factor of x_0 in x_t. */
  readonly signal: Tensor;
  /** sqrt(1 - alphaBar): factor of the noise in x_t. */
  readonly noise: Tensor;
  /** sqrt(1 / alphaBar): factor of x_t in x_0. */
  readonly inverseSignal: Tensor;
  /** sqrt(1 / alphaBar - 1): factor of minus the noise in x_0. */
  readonly inverseSignalNoise: Tensor;
  /** ln(beta): the upper end of the learned variance. */
  readonly logBeta: Tensor;
  /** Logarithm of the variance of q(x_{t-1} | x_t, x_0): its lower end. */
  readonly logPosteriorVariance: Tensor;
  /** Factor of x_0 in the mean of q(x_{t-1} | x_t, x_0). */
  readonly meanClean: Tensor;
  /** Factor of x_t in that mean. */
  readonly meanNoised: Tensor;
}

/** Entries of the schedule that the objective looks up for each sample's time step. */
const columns = [
  "signal",
  "noise",
  "inverseSignal",
  "inverseSignalNoise",
  "logBeta",
  "logPosteriorVariance",
  "meanClean",
  "meanNoised",
] as const satisfies readonly (keyof ScheduleAt)[];

/** Looks up the schedule at time steps t (N, i32). */
export function scheduleAt(schedule: Schedule, t: Tensor): ScheduleAt {
  const table = new Float32Array(schedule.length * columns.length);
  for (let step = 0; step < schedule.length; step++) {
    const alphaBar = schedule.alphaBars[step];
    table.set([
      Math.sqrt(alphaBar),
      Math.sqrt(1 - alphaBar),
      Math.sqrt(1 / alphaBar),
      Math.sqrt(1 / alphaBar - 1),
      Math.log(schedule.betas[step]),
      schedule.logPosteriorVariances[step],
      schedule.posteriorMeanClean[step],
      schedule.posteriorMeanNoised[step],
    ], step * columns.length);
  }
  const rows = gather(constantTensor(table, [schedule.length, columns.length]), t);
  const entries = columns.map((name, index) =>
    [name, reshape(slice(rows, 1, index, 1), [-1, 1, 1, 1])] as const
  );
  return Object.fromEntries(entries) as Record<typeof columns[number], Tensor>;
}

/** Noised pictures: `sqrt(alphaBar) x0 + sqrt(1 - alphaBar) noise`, (N, C, H, W). */
export function addNoise(clean: Tensor, noise: Tensor, at: ScheduleAt): Tensor {
  return add(multiply(at.signal, clean), multiply(at.noise, noise));
}

/** Loss terms of each sample, (N). */
export interface SampleLosses {
  /** Mean squared error of what is predicted. */
  readonly meanSquaredError: Tensor;
  /** Variational bound in bits per dimension; absent when the variance is not learned. */
  readonly variationalBound?: Tensor;
  /** What is minimised: the sum of both, the error with its weight. */
  readonly total: Tensor;
}

/** What the objective compares. Pictures are (N, C, H, W). */
export interface ObjectiveOperands {
  /** x_0 in [-1, 1]. */
  readonly clean: Tensor;
  /** x_t, as `addNoise` gives. */
  readonly noised: Tensor;
  /** The noise that was added, standard normal. */
  readonly noise: Tensor;
  /** i32 (N) */
  readonly t: Tensor;
  /** The network's output, (N, C or 2 C, H, W). */
  readonly prediction: Tensor;
  /** The schedule at `t`. */
  readonly at: ScheduleAt;
  /** What the network's first C channels are; the noise when absent. */
  readonly predicts?: "noise" | "velocity";
  /** Weight of the squared error; uniform when absent. */
  readonly weight?: LossWeight;
}

/** Mean over everything but the batch axis. */
function meanOverSample(x: Tensor): Tensor {
  return mean(x, [1, 2, 3]);
}

/** The hybrid loss of each sample; with C output channels, the plain loss of the prediction. */
export function hybridLoss(operands: ObjectiveOperands): SampleLosses {
  const { clean, noised, noise, prediction, at } = operands;
  const { predicts = "noise", weight = "uniform" } = operands;
  const channels = noise.shape[1];
  const predicted = slice(prediction, 1, 0, channels);
  const target = predicts === "noise" ? noise : velocityOf(clean, noise, at);
  const meanSquaredError = meanOverSample(square(subtract(predicted, target)));
  const weighted = weight === "uniform"
    ? meanSquaredError
    : multiply(minimumSnrWeight(at, predicts), meanSquaredError);
  if (prediction.shape[1] === channels) return { meanSquaredError, total: weighted };
  const raw = slice(prediction, 1, channels, channels);
  const predictedNoise = predicts === "noise" ? predicted : noiseBy(noised, predicted, at);
  // The bound trains only the variance: no gradient through the mean.
  const bound = variationalBound(operands, detach(predictedNoise), raw);
  return { meanSquaredError, variationalBound: bound, total: add(weighted, bound) };
}

/** The signal-to-noise ratio that counts at most, of the paper on these weights. */
const largestRatio = 5;

/**
 * Weights (N) as if errors of x0 counted by their signal-to-noise ratio, but by 5 at most: time steps then
 * hinder each other less (Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy",
 * arXiv:2303.09556, section 3.4).
 */
function minimumSnrWeight(
  { signal, noise, inverseSignalNoise }: ScheduleAt,
  predicts: "noise" | "velocity",
): Tensor {
  const weight = predicts === "noise"
    ? minimum(1, multiply(largestRatio, square(inverseSignalNoise)))
    : minimum(square(signal), multiply(largestRatio, square(noise)));
  return reshape(weight, [-1]);
}

/** L_vb of each sample in bits per dimension, (N). */
function variationalBound(
  { clean, noised, t, at }: ObjectiveOperands,
  predictedNoise: Tensor,
  raw: Tensor,
): Tensor {
  const logVariance = interpolatedLogVariance(raw, at.logBeta, at.logPosteriorVariance);
  const predictedClean = subtract(
    multiply(at.inverseSignal, noised),
    multiply(at.inverseSignalNoise, predictedNoise),
  );
  const meanDifference = multiply(at.meanClean, subtract(clean, predictedClean));
  const divergence = normalDivergence(meanDifference, at.logPosteriorVariance, logVariance);
  const predictedMean = add(
    multiply(at.meanClean, predictedClean),
    multiply(at.meanNoised, noised),
  );
  const reconstruction = negate(discretizedLogLikelihood(clean, predictedMean, logVariance));
  const isFirst = reshape(t, [-1, 1, 1, 1]);
  const chosen = map(
    (step, first, other) => select(binary("equal", step, constant(0, "i32")), first, other),
    isFirst,
    reconstruction,
    divergence,
  );
  return divide(meanOverSample(chosen), Math.LN2);
}

/** `v log beta + (1 - v) log posteriorVariance` with v = (raw + 1) / 2, not clamped. */
export function interpolatedLogVariance(
  raw: Tensor,
  logBeta: Tensor,
  logPosteriorVariance: Tensor,
): Tensor {
  const share = multiply(add(raw, 1), 0.5);
  return add(multiply(share, logBeta), multiply(subtract(1, share), logPosteriorVariance));
}

/** KL divergence of two normal distributions in nats, from the difference of their means. */
function normalDivergence(
  meanDifference: Tensor,
  logVariance1: Tensor,
  logVariance2: Tensor,
): Tensor {
  const variances = add(
    subtract(subtract(logVariance2, logVariance1), 1),
    exponential(subtract(logVariance1, logVariance2)),
  );
  const means = multiply(square(meanDifference), exponential(negate(logVariance2)));
  return multiply(add(variances, means), 0.5);
}

/** Approximate cumulative distribution function of the standard normal distribution. */
function normalCdf(x: Tensor): Tensor {
  const inner = multiply(
    Math.sqrt(2 / Math.PI),
    add(x, multiply(0.044715, multiply(x, square(x)))),
  );
  return multiply(add(tanh(inner), 1), 0.5);
}

/**
 * Log-likelihood of 8-bit values scaled to [-1, 1] under a normal distribution: the mass of the bin
 * of width 2/255 around x, with open ends, in nats.
 */
function discretizedLogLikelihood(x: Tensor, center: Tensor, logVariance: Tensor): Tensor {
  const centered = subtract(x, center);
  const inverseDeviation = exponential(multiply(logVariance, -0.5));
  const above = normalCdf(multiply(inverseDeviation, add(centered, 1 / 255)));
  const below = normalCdf(multiply(inverseDeviation, subtract(centered, 1 / 255)));
  const logOf = (probability: Tensor) => logarithm(maximum(probability, 1e-12));
  const [first, last, inside] = [
    logOf(above),
    logOf(subtract(1, below)),
    logOf(subtract(above, below)),
  ];
  return map(
    (value, low, high, middle) =>
      select(
        binary("less", value, constant(-0.999)),
        low,
        select(binary("less", constant(0.999), value), high, middle),
      ),
    x,
    first,
    last,
    inside,
  );
}
