/**
 * Samplers: one step from x_t to the next, less noisy x, as a graph over device states.
 *
 * A step's numbers (noise levels, posterior factors) are a small vector that the host writes before
 * each run, computed in double precision; the graph is the same for all steps, so one program samples
 * from beginning to end.
 *
 * @module
 */
import {
  add,
  divide,
  exponential,
  maximum,
  minimum,
  multiply,
  subtract,
} from "../kernels/ops/elementwise/op.ts";
import { reshape, slice } from "../kernels/ops/movement/op.ts";
import { input, state, type Tensor } from "../kernels/tensor.ts";
import type { Update } from "../kernels/graph/graph.ts";
import type { Prediction } from "./guidance.ts";
import type { SamplerStep } from "./sampler_loop.ts";
import { interpolatedLogVariance } from "./objective.ts";
import {
  linearSchedule,
  respace,
  type Schedule,
  spacedTimesteps,
  type Spacing,
} from "./schedule.ts";

/** A sampler: ancestral (DDPM), DDIM, or DPM-Solver++(2M). */
export type SamplerName = "ddpm" | "ddim" | "dpm++";

/** Settings of a sampler. */
export interface SamplerOptions {
  /** Which method takes the steps. */
  readonly sampler: SamplerName;
  /** Number of steps, 1 to 1000. */
  readonly steps: number;
  /** DDIM only: 0 is deterministic, 1 as noisy as ancestral sampling. */
  readonly eta?: number;
  /** By default the reference's choice: ddpm and dpm++ both ends, ddim a stride from 0. */
  readonly spacing?: Spacing;
  /** Keep the predicted x0 in [-1, 1]: good for pixels, wrong for latents. Off by default. */
  readonly clipDenoised?: boolean;
}

/** Length of the coefficient vector of a step. */
const coefficientCount = 8;

/** A sampler made ready: the steps in order, and the graph of one step. */
export interface Sampler {
  /** Which method it is. */
  readonly name: SamplerName;
  /** From the noisiest to the least noisy. */
  readonly steps: readonly SamplerStep[];
  /** Whether the step adds fresh noise. */
  readonly usesNoise: boolean;
  /** Names of states of the sampler's own, which must be zero when a batch starts. */
  readonly memory: readonly string[];
  /**
   * Graph of one step.
   *
   * @param x the sample (N, C, H, W), a state @param coefficients the input vector (8)
   * @param noise standard normal deviates of x's shape; called only when the sampler uses noise
   * @returns updates of x and of the sampler's own states
   */
  step(x: Tensor, prediction: Prediction, coefficients: Tensor, noise: () => Tensor): Update[];
}

/** The reference spacing of a sampler. */
function defaultSpacing(sampler: SamplerName): Spacing {
  return sampler === "ddim" ? "stride-from-zero" : "both-ends";
}

/** Makes a sampler for the linear training schedule. */
export function createSampler(options: SamplerOptions): Sampler {
  const { sampler, steps, eta = 0 } = options;
  const timesteps = spacedTimesteps(steps, options.spacing ?? defaultSpacing(sampler));
  const schedule = respace(linearSchedule(), timesteps);
  const predict = options.clipDenoised ? predictClipped : predictClean;
  switch (sampler) {
    case "ddpm":
      return ancestral(schedule, predict);
    case "ddim":
      return ddim(schedule, predict, eta);
    case "dpm++":
      return dpmSolver(schedule, predict);
  }
}

/** The coefficient vector as scalars that broadcast against pictures. */
function scalars(coefficients: Tensor): Tensor[] {
  return Array.from(
    { length: coefficientCount },
    (_, index) => reshape(slice(coefficients, 0, index, 1), [1, 1, 1, 1]),
  );
}

/** Steps from the noisiest to the least noisy. */
function descending(
  schedule: Schedule,
  coefficients: (index: number) => number[],
): SamplerStep[] {
  return Array.from({ length: schedule.length }, (_, position) => {
    const index = schedule.length - 1 - position;
    const vector = new Float32Array(coefficientCount);
    vector.set(coefficients(index));
    return { timestep: schedule.timesteps[index], coefficients: vector };
  });
}

/** The x0 that a noise prediction means, and the noise that goes with that x0. */
interface CleanPrediction {
  readonly clean: Tensor;
  readonly noise: Tensor;
}

/** From x and the predicted noise to x0; the factors belong to the noise level. */
type PredictClean = (
  x: Tensor,
  noise: Tensor,
  factorX: Tensor,
  factorNoise: Tensor,
) => CleanPrediction;

/** `x0 = x / sqrt(alphaBar) - sqrt(1 / alphaBar - 1) noise`, factors precomputed. */
const predictClean: PredictClean = (x, noise, factorX, factorNoise) => ({
  clean: subtract(multiply(factorX, x), multiply(factorNoise, noise)),
  noise,
});

/** The same with x0 kept in [-1, 1] and the noise changed to match. */
const predictClipped: PredictClean = (x, noise, factorX, factorNoise) => {
  const clean = minimum(maximum(predictClean(x, noise, factorX, factorNoise).clean, -1), 1);
  return { clean, noise: divide(subtract(multiply(factorX, x), clean), factorNoise) };
};

const cleanFactors = (alphaBar: number): [number, number] => [
  Math.sqrt(1 / alphaBar),
  Math.sqrt(1 / alphaBar - 1),
];

/** Ancestral sampling (DDPM) with the learned variance, or with beta where none is learned. */
function ancestral(schedule: Schedule, predict: PredictClean): Sampler {
  return {
    name: "ddpm",
    usesNoise: true,
    memory: [],
    steps: descending(schedule, (i) => [
      ...cleanFactors(schedule.alphaBars[i]),
      schedule.posteriorMeanClean[i],
      schedule.posteriorMeanNoised[i],
      Math.log(schedule.betas[i]),
      schedule.logPosteriorVariances[i],
      i > 0 ? 1 : 0,
    ]),
    step(x, prediction, coefficients, noise) {
      const [factorX, factorNoise, meanClean, meanNoised, logBeta, logPosterior, noisy] = scalars(
        coefficients,
      );
      const { clean } = predict(x, prediction.noise, factorX, factorNoise);
      const mean = add(multiply(meanClean, clean), multiply(meanNoised, x));
      const logVariance = prediction.variance
        ? interpolatedLogVariance(prediction.variance, logBeta, logPosterior)
        : logBeta;
      const deviation = multiply(noisy, exponential(multiply(0.5, logVariance)));
      return [{ state: x, value: add(mean, multiply(deviation, noise())) }];
    },
  };
}

/** DDIM (Song et al., 2021): `sqrt(a') x0 + sqrt(1 - a' - s^2) noise + s z`. */
function ddim(schedule: Schedule, predict: PredictClean, eta: number): Sampler {
  return {
    name: "ddim",
    usesNoise: eta > 0,
    memory: [],
    steps: descending(schedule, (i) => {
      const [alphaBar, previous] = [schedule.alphaBars[i], schedule.previousAlphaBars[i]];
      const sigma = eta * Math.sqrt((1 - previous) / (1 - alphaBar) * (1 - alphaBar / previous));
      const direction = Math.sqrt(Math.max(0, 1 - previous - sigma * sigma));
      return [
        ...cleanFactors(alphaBar),
        Math.sqrt(previous),
        direction,
        i > 0 ? sigma : 0,
      ];
    }),
    step(x, prediction, coefficients, noise) {
      const [factorX, factorNoise, signal, direction, sigma] = scalars(coefficients);
      const predicted = predict(x, prediction.noise, factorX, factorNoise);
      const value = add(multiply(signal, predicted.clean), multiply(direction, predicted.noise));
      return [{ state: x, value: eta > 0 ? add(value, multiply(sigma, noise())) : value }];
    },
  };
}

/** Prediction of the step before, which DPM-Solver++ extrapolates from. */
const previousCleanState = "previous clean";

/**
 * DPM-Solver++(2M) (Lu et al., 2022) in data prediction: second order from the second step on, first
 * order in the first and the last step, which ends at alpha = 1, sigma = 0 and returns x0.
 */
function dpmSolver(schedule: Schedule, predict: PredictClean): Sampler {
  const alpha = (i: number) => i < 0 ? 1 : Math.sqrt(schedule.alphaBars[i]);
  const sigma = (i: number) => i < 0 ? 0 : Math.sqrt(1 - schedule.alphaBars[i]);
  const lambda = (i: number) => Math.log(alpha(i) / sigma(i));
  return {
    name: "dpm++",
    usesNoise: false,
    memory: [previousCleanState],
    steps: descending(schedule, (i) => {
      const step = lambda(i - 1) - lambda(i);
      const isFirst = i === schedule.length - 1;
      const ratio = isFirst || i === 0 ? Infinity : (lambda(i) - lambda(i + 1)) / step;
      return [
        ...cleanFactors(schedule.alphaBars[i]),
        sigma(i - 1) / sigma(i),
        -alpha(i - 1) * Math.expm1(-step),
        1 + 1 / (2 * ratio),
        -1 / (2 * ratio),
      ];
    }),
    step(x, prediction, coefficients) {
      const [factorX, factorNoise, keep, move, current, before] = scalars(coefficients);
      const { clean } = predict(x, prediction.noise, factorX, factorNoise);
      const previousClean = state(previousCleanState, x.shape);
      const extrapolated = add(multiply(current, clean), multiply(before, previousClean));
      return [
        { state: x, value: add(multiply(keep, x), multiply(move, extrapolated)) },
        { state: previousClean, value: clean },
      ];
    },
  };
}

/** The input vector of a sampler step. */
export const coefficientInput = (): Tensor => input("coefficients", [coefficientCount]);
