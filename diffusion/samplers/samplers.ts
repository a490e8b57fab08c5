/**
 * The samplers of diffusion, each one step from x_t to the next, less noisy x.
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
} from "../../kernels/ops/elementwise/op.ts";
import { state, type Tensor } from "../../kernels/tensor.ts";
import type { SamplerStep } from "../sampler_loop.ts";
import { interpolatedLogVariance } from "../objective.ts";
import { flowSampler } from "./flow.ts";
import {
  coefficientCount,
  type Sampler,
  type SamplerOptions,
  samplersFor,
  scalars,
} from "./sampler.ts";
import {
  linearSchedule,
  respace,
  type Schedule,
  spacedTimesteps,
  type Spacing,
} from "../schedule.ts";

/** The reference spacing of a sampler. */
function defaultSpacing(sampler: SamplerOptions["sampler"]): Spacing {
  return sampler === "ddim" ? "stride-from-zero" : "both-ends";
}

/**
 * Makes a sampler: of the linear training schedule, or of a flow.
 *
 * @throws RangeError for a sampler that is not for the objective
 */
export function createSampler(options: SamplerOptions): Sampler {
  const { sampler, steps, eta = 0, objective = "noise", clipDenoised = false } = options;
  if (!samplersFor(objective).includes(sampler)) {
    throw new RangeError(`${sampler} is no sampler for networks that predict the ${objective}`);
  }
  if (sampler === "euler" || sampler === "heun") return flowSampler(sampler, steps, clipDenoised);
  const timesteps = spacedTimesteps(steps, options.spacing ?? defaultSpacing(sampler));
  const schedule = respace(linearSchedule(), timesteps);
  const plain = objective === "velocity" ? fromVelocity : fromNoise;
  const predict = clipDenoised ? clipped(plain) : plain;
  switch (sampler) {
    case "ddpm":
      return ancestral(schedule, predict);
    case "ddim":
      return ddim(schedule, predict, eta);
    case "dpm++":
      return dpmSolver(schedule, predict);
  }
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

/** The x0 that a prediction means, and the noise that goes with that x0. */
interface CleanPrediction {
  readonly clean: Tensor;
  readonly noise: Tensor;
}

/**
 * From x and what the network predicts to x0. The factors belong to the noise level:
 * `sqrt(1 / alphaBar)` and `sqrt(1 / alphaBar - 1)`.
 */
type PredictClean = (
  x: Tensor,
  predicted: Tensor,
  factorX: Tensor,
  factorNoise: Tensor,
) => CleanPrediction;

/** `x0 = x / sqrt(alphaBar) - sqrt(1 / alphaBar - 1) noise` */
const fromNoise: PredictClean = (x, noise, factorX, factorNoise) => ({
  clean: subtract(multiply(factorX, x), multiply(factorNoise, noise)),
  noise,
});

/** `x0 = alpha x - sigma v` and `noise = sigma x + alpha v`, by the same factors 1 / alpha and sigma / alpha. */
const fromVelocity: PredictClean = (x, velocity, factorX, factorNoise) => ({
  clean: divide(subtract(x, multiply(factorNoise, velocity)), factorX),
  noise: divide(add(multiply(factorNoise, x), velocity), factorX),
});

/** The same with x0 kept in [-1, 1] and the noise changed to match. */
const clipped = (predict: PredictClean): PredictClean => (x, predicted, factorX, factorNoise) => {
  const clean = minimum(maximum(predict(x, predicted, factorX, factorNoise).clean, -1), 1);
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
    timeType: "i32",
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
      const { clean } = predict(x, prediction.value, factorX, factorNoise);
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
    timeType: "i32",
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
      const predicted = predict(x, prediction.value, factorX, factorNoise);
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
    timeType: "i32",
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
      const { clean } = predict(x, prediction.value, factorX, factorNoise);
      const previousClean = state(previousCleanState, x.shape);
      const extrapolated = add(multiply(current, clean), multiply(before, previousClean));
      return [
        { state: x, value: add(multiply(keep, x), multiply(move, extrapolated)) },
        { state: previousClean, value: clean },
      ];
    },
  };
}
