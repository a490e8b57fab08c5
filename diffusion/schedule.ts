/**
 * The Gaussian diffusion process: noise schedule, its respacing, and the tables that follow from them
 * (DiT, sections 3.1 and 4). All tables are in double precision.
 *
 * @module
 */

import { InputError } from "../base/errors.ts";

/** A discrete schedule and everything derived from its betas. Index 0 is the least noisy step. */
export interface Schedule {
  /** Number of steps. */
  readonly length: number;
  /** The time step of the training schedule that each step stands for: what the network is told. */
  readonly timesteps: Int32Array;
  /** Variance added in each step. */
  readonly betas: Float64Array;
  /** Product of (1 - beta) up to and including each step. */
  readonly alphaBars: Float64Array;
  /** `alphaBars` of the step before; 1 for the first. */
  readonly previousAlphaBars: Float64Array;
  /** Logarithm of the variance of q(x_{t-1} | x_t, x_0); the first is replaced by the second. */
  readonly logPosteriorVariances: Float64Array;
  /** Factors of x_0 and x_t in the mean of q(x_{t-1} | x_t, x_0). */
  readonly posteriorMeanClean: Float64Array;
  /** Factor of x_t in the mean of q(x_{t-1} | x_t, x_0). */
  readonly posteriorMeanNoised: Float64Array;
}

/** Number of steps of the training schedule. */
export const trainingSteps = 1000;

/**
 * Everything that follows from betas.
 *
 * @param timesteps what the network is told at each step
 */
function scheduleFromBetas(betas: Float64Array, timesteps: Int32Array): Schedule {
  const { length } = betas;
  const alphaBars = new Float64Array(length);
  const previousAlphaBars = new Float64Array(length);
  let product = 1;
  for (let t = 0; t < length; t++) {
    previousAlphaBars[t] = product;
    product *= 1 - betas[t];
    alphaBars[t] = product;
  }
  const table = (entry: (t: number) => number) => Float64Array.from({ length }, (_, t) => entry(t));
  const posteriorVariance = (t: number) =>
    betas[t] * (1 - previousAlphaBars[t]) / (1 - alphaBars[t]);
  // The first step's is zero, so the second's logarithm stands in; a single step adds no noise.
  const logPosteriorVariance = (t: number) =>
    Math.log(length === 1 ? betas[0] : posteriorVariance(Math.max(t, 1)));
  return {
    length,
    timesteps,
    betas,
    alphaBars,
    previousAlphaBars,
    logPosteriorVariances: table(logPosteriorVariance),
    posteriorMeanClean: table((t) =>
      betas[t] * Math.sqrt(previousAlphaBars[t]) / (1 - alphaBars[t])
    ),
    posteriorMeanNoised: table((t) =>
      (1 - previousAlphaBars[t]) * Math.sqrt(1 - betas[t]) / (1 - alphaBars[t])
    ),
  };
}

/** The linear schedule: betas from 1e-4 to 2e-2 in 1000 steps. */
export function linearSchedule(): Schedule {
  const last = trainingSteps - 1;
  const betas = Float64Array.from(
    { length: trainingSteps },
    (_, t) => 1e-4 + (2e-2 - 1e-4) * t / last,
  );
  return scheduleFromBetas(betas, Int32Array.from(betas, (_, t) => t));
}

/** Factors of the clean sample and of the noise at every step of the training schedule. */
export interface NoiseLevels {
  /** sqrt(alphaBar). */
  readonly signal: Float64Array;
  /** sqrt(1 - alphaBar). */
  readonly noise: Float64Array;
}

/** Schedules of models that predict the velocity, by name. */
export type LevelSchedule = "zero-terminal" | "linear";

/** The levels of a schedule; `linear` leaves 0.6 % of the signal in the last step. */
export function noiseLevels(schedule: LevelSchedule): NoiseLevels {
  if (schedule === "zero-terminal") return zeroTerminalLevels();
  const { alphaBars } = linearSchedule();
  return {
    signal: alphaBars.map(Math.sqrt),
    noise: alphaBars.map((alphaBar) => Math.sqrt(1 - alphaBar)),
  };
}

/**
 * The levels of the linear schedule, shifted and scaled so that the last step holds noise alone while the
 * first stays as it is: zero terminal signal-to-noise ratio (Lin et al., "Common Diffusion Noise
 * Schedules and Sample Steps are Flawed", arXiv:2305.08891, algorithm 1). Without, the rest of the signal
 * gives away what clips look like on average.
 */
export function zeroTerminalLevels(): NoiseLevels {
  const roots = linearSchedule().alphaBars.map(Math.sqrt);
  const [first, last] = [roots[0], roots[trainingSteps - 1]];
  const signal = roots.map((root) => (root - last) * first / (first - last));
  return { signal, noise: signal.map((alpha) => Math.sqrt(1 - alpha * alpha)) };
}

/** How sampling steps are picked from the training schedule. */
export type Spacing =
  /** Evenly, with the first and the last time step (ancestral sampling). */
  | "both-ends"
  /** A whole-numbered stride from 0 (DDIM). */
  | "stride-from-zero"
  /** Evenly down from the last time step, which zero terminal signal-to-noise ratio needs. */
  | "trailing";

/**
 * Time steps of a schedule of `count` sampling steps, ascending.
 *
 * @throws RangeError when `count` is not between 1 and 1000
 */
export function spacedTimesteps(count: number, spacing: Spacing): Int32Array {
  if (!Number.isInteger(count) || count < 1 || count > trainingSteps) {
    throw new RangeError(`sampling steps: ${count} is not between 1 and ${trainingSteps}`);
  }
  const last = trainingSteps - 1;
  if (spacing === "stride-from-zero") {
    const stride = Math.ceil(trainingSteps / count);
    if (Math.ceil(trainingSteps / stride) !== count) {
      throw new InputError(
        `${count} sampling steps: no whole-numbered stride from 0 gives so many; ` +
          `nearest: ${nearestStridedCounts(count)}; or use the spacing both-ends`,
      );
    }
    return Int32Array.from({ length: count }, (_, i) => i * stride);
  }
  if (spacing === "trailing") {
    // Halves go up, in whole numbers, so that no rounding of a quotient decides.
    const upTo = (step: number) => Math.floor((2 * trainingSteps * step + count) / (2 * count));
    return Int32Array.from({ length: count }, (_, i) => upTo(i + 1) - 1);
  }
  const gaps = Math.max(count - 1, 1);
  return Int32Array.from({ length: count }, (_, i) => roundHalfToEven(i * last / gaps));
}

/** The next smaller and larger number of steps that a stride from 0 gives. */
function nearestStridedCounts(count: number): string {
  const larger = Math.floor(trainingSteps / count);
  return [larger + 1, larger].map((stride) => Math.ceil(trainingSteps / stride)).join(" and ");
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const fraction = value - floor;
  if (fraction !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * A shorter schedule through the given time steps of a longer one: the noise levels at the kept steps
 * stay as they are, the betas between them are recomputed.
 */
export function respace(schedule: Schedule, timesteps: Int32Array): Schedule {
  let previous = 1;
  const betas = Float64Array.from(timesteps, (t) => {
    const beta = 1 - schedule.alphaBars[t] / previous;
    previous = schedule.alphaBars[t];
    return beta;
  });
  return scheduleFromBetas(betas, timesteps);
}
