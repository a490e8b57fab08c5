/**
 * Sampling with networks that predict the velocity: DDIM and DPM-Solver++(2M) from the last time step
 * down, guided, self-conditioned on the step before.
 *
 * Both take `x' = (sigma' / sigma) x + (alpha' - alpha sigma' / sigma) x0`, DDIM with the predicted x0,
 * DPM-Solver++ with one extrapolated from the last two. With zero terminal signal-to-noise ratio the first
 * step is infinitely long in log-SNR: x0 is then extrapolated from the third step on.
 *
 * @module
 */
import { type Graph, makeGraph } from "../../kernels/graph/graph.ts";
import { add, multiply, subtract } from "../../kernels/ops/elementwise/op.ts";
import { concatenate, reshape, slice } from "../../kernels/ops/movement/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import type { Shape } from "../../kernels/shape.ts";
import { input, state, type Tensor } from "../../kernels/tensor.ts";
import type { GuidanceWeight } from "../guidance.ts";
import { outputSizeState, type SamplerStep } from "../sampler_loop.ts";
import { type LevelSchedule, noiseLevels, spacedTimesteps } from "../schedule.ts";
import { cleanBy } from "../velocity.ts";

/** Settings of a sampler. */
export interface VelocitySamplerOptions {
  /** Which method takes the steps. */
  readonly sampler: "ddim" | "dpm++";
  /** Number of steps, 1 to 1000. */
  readonly steps: number;
  /** Classifier-free guidance; off when absent. */
  readonly guidance?: GuidanceWeight;
  /** That of the training; `zero-terminal` unless told. */
  readonly schedule?: LevelSchedule;
}

/** The state that holds x0 as the step before predicted it. */
export const estimateState = "estimate";

/** Length of the coefficient vector of a step. */
const coefficientCount = 7;

/**
 * The steps, from the noisiest to the least noisy, with `alpha`, `sigma`, the weight of guidance, and the
 * factors of x, of x0, and, in what stands for x0, of x0 and of that of the step before.
 *
 * @throws RangeError when there are not 1 to 1000
 */
export function velocitySteps(
  { sampler, steps, guidance = () => 1, schedule = "zero-terminal" }: VelocitySamplerOptions,
): SamplerStep[] {
  const timesteps = spacedTimesteps(steps, "trailing");
  const levels = noiseLevels(schedule);
  // Behind the last step the sample is clean.
  const alpha = (i: number) => i < 0 ? 1 : levels.signal[timesteps[i]];
  const sigma = (i: number) => i < 0 ? 0 : levels.noise[timesteps[i]];
  const lambda = (i: number) => Math.log(alpha(i) / sigma(i));
  return Array.from({ length: steps }, (_, position) => {
    const i = steps - 1 - position;
    const keep = sigma(i - 1) / sigma(i);
    const isFirstOrder = sampler === "ddim" || position === 0 || i === 0;
    const before = isFirstOrder
      ? 0
      : (lambda(i - 1) - lambda(i)) / (2 * (lambda(i) - lambda(i + 1)));
    return {
      timestep: timesteps[i],
      coefficients: Float32Array.of(
        alpha(i),
        sigma(i),
        guidance(timesteps[i]),
        keep,
        alpha(i - 1) - alpha(i) * keep,
        1 + before,
        -before,
      ),
    };
  });
}

/** A network at the time step of a sampler: noisy samples (N, ...), an estimate of x0 to the velocity (N, ...). */
export type VelocityStepNetwork = (x: Tensor, estimate: Tensor) => Tensor;

/**
 * The velocity with guidance: `without + weight (with - without)`.
 *
 * @param network evaluated on twice the batch, whose first half is conditioned and whose second is not
 */
function guidedVelocity(
  network: VelocityStepNetwork,
  x: Tensor,
  estimate: Tensor,
  weight: Tensor,
): Tensor {
  const twice = (tensor: Tensor): Tensor => concatenate([tensor, tensor], 0);
  const both = network(twice(x), twice(estimate));
  const [batch] = x.shape;
  const [conditioned, unconditioned] = [0, batch].map((first) => slice(both, 0, first, batch));
  return add(unconditioned, multiply(weight, subtract(conditioned, unconditioned)));
}

/**
 * The graph of one step on samples of a shape (N, ...). States `x` and `estimate`; inputs `coefficients`, and
 * those of the network.
 *
 * @param guided whether the network takes twice the batch: conditioned, then not
 */
export function velocityStepGraph(
  network: VelocityStepNetwork,
  shape: Shape,
  guided: boolean,
): Graph {
  const [x, estimate] = [state("x", shape), state(estimateState, shape)];
  const coefficients = input("coefficients", [coefficientCount]);
  const [signal, noise, weight, keep, move, current, before] = Array.from(
    { length: coefficientCount },
    (_, index) =>
      reshape(slice(coefficients, 0, index, 1), new Array<number>(shape.length).fill(1)),
  );
  const velocity = guided ? guidedVelocity(network, x, estimate, weight) : network(x, estimate);
  const clean = cleanBy(x, velocity, { signal, noise });
  const extrapolated = add(multiply(current, clean), multiply(before, estimate));
  const outputSize = state(outputSizeState, []);
  return makeGraph("sampling step", {
    updates: [
      { state: x, value: add(multiply(keep, x), multiply(move, extrapolated)) },
      { state: estimate, value: clean },
      { state: outputSize, value: add(outputSize, mean(multiply(velocity, velocity))) },
    ],
  });
}
