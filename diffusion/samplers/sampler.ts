/**
 * What a sampler is: evaluations of a network in their order, and one of them as a graph over device states.
 *
 * The numbers of an evaluation (noise levels, posterior factors) are a small vector that the host writes
 * before each run, computed in double precision; the graph is the same for all, so one program samples
 * from beginning to end.
 *
 * @module
 */
import type { Update } from "../../kernels/graph/graph.ts";
import { reshape, slice } from "../../kernels/ops/movement/op.ts";
import { input, type Tensor } from "../../kernels/tensor.ts";
import type { Prediction } from "../guidance.ts";
import type { Objective } from "../objective.ts";
import type { SamplerStep } from "../sampler_loop.ts";
import type { Spacing } from "../schedule.ts";

/** Samplers of diffusion: ancestral (DDPM), DDIM, DPM-Solver++(2M). */
export const diffusionSamplers = ["ddpm", "ddim", "dpm++"] as const;

/** Samplers of flow: Euler's method and Heun's. */
export const flowSamplers = ["euler", "heun"] as const;

/** A sampler of diffusion or of flow. */
export type SamplerName = (typeof diffusionSamplers)[number] | (typeof flowSamplers)[number];

/** The samplers that networks of an objective can be drawn from with. */
export const samplersFor = (objective: Objective): readonly SamplerName[] =>
  objective === "flow" ? flowSamplers : diffusionSamplers;

/** Settings of a sampler. */
export interface SamplerOptions {
  /** Which method takes the steps. */
  readonly sampler: SamplerName;
  /** Number of steps, 1 to 1000. */
  readonly steps: number;
  /** What the network was trained to predict; the noise when absent. */
  readonly objective?: Objective;
  /** DDIM only: 0 is deterministic, 1 as noisy as ancestral sampling. */
  readonly eta?: number;
  /** Of diffusion. By default the reference's choice: ddpm and dpm++ both ends, ddim a stride from 0. */
  readonly spacing?: Spacing;
  /** Keep the predicted x0 in [-1, 1]: good for pixels, wrong for latents. Off by default. */
  readonly clipDenoised?: boolean;
}

/** Length of the coefficient vector of a step. */
export const coefficientCount = 8;

/** A sampler made ready: the steps in order, and the graph of one step. */
export interface Sampler {
  /** Which method it is. */
  readonly name: SamplerName;
  /** Evaluations of the network, from the noisiest to the least noisy. */
  readonly steps: readonly SamplerStep[];
  /** Type of the time steps: whole numbers of a schedule, or times from 0 to 1. */
  readonly timeType: "i32" | "f32";
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

/** The coefficient vector as scalars that broadcast against pictures. */
export function scalars(coefficients: Tensor): Tensor[] {
  return Array.from(
    { length: coefficientCount },
    (_, index) => reshape(slice(coefficients, 0, index, 1), [1, 1, 1, 1]),
  );
}

/** The input vector of a sampler step. */
export const coefficientInput = (): Tensor => input("coefficients", [coefficientCount]);
