/**
 * Classifier-free guidance: conditional and unconditional predictions in one batch, combined into
 * `unconditional + scale (conditional - unconditional)` (DiT, section 3.1).
 *
 * @module
 */
import { add, multiply, subtract } from "../kernels/ops/elementwise/op.ts";
import { concatenate, slice } from "../kernels/ops/movement/op.ts";
import type { Tensor } from "../kernels/tensor.ts";
import { trainingSteps } from "./schedule.ts";

/** How strongly and where guidance acts. */
export interface Guidance {
  /** 1 means off: the plain conditional prediction. */
  readonly scale: number;
  /** How many of the leading channels are guided; all by default, 3 in the tables of the DiT paper. */
  readonly channels?: number;
}

/** A network, seen by a sampler: pictures (N, C, H, W), t (N), labels (N) to its output. */
export type Network = (x: Tensor, t: Tensor, y: Tensor) => Tensor;

/** A guided prediction. */
export interface Prediction {
  /** What the network was trained to predict: the noise, or a velocity (N, C, H, W). */
  readonly value: Tensor;
  /** (N, C, H, W), always from the conditional half; absent when the network has C channels. */
  readonly variance?: Tensor;
}

/**
 * Evaluates the network with guidance. Without it (scale 1) the batch is not doubled.
 *
 * @param t i32 (N) @param labels i32 (N) @param nullLabels i32 (N), all "no class"
 */
export function guidedPrediction(
  network: Network,
  x: Tensor,
  t: Tensor,
  labels: Tensor,
  nullLabels: Tensor,
  { scale, channels: guided }: Guidance,
): Prediction {
  const [batch, channels] = x.shape;
  if (scale === 1) return splitVariance(network(x, t, labels), channels);
  const twice = (tensor: Tensor, other: Tensor): Tensor => concatenate([tensor, other], 0);
  const both = network(twice(x, x), twice(t, t), twice(labels, nullLabels));
  const conditional = splitVariance(slice(both, 0, 0, batch), channels);
  const unconditional = slice(slice(both, 0, batch, batch), 1, 0, channels);
  const count = Math.min(guided ?? channels, channels);
  const part = (tensor: Tensor): Tensor => slice(tensor, 1, 0, count);
  const combined = add(
    part(unconditional),
    multiply(scale, subtract(part(conditional.value), part(unconditional))),
  );
  const value = count === channels
    ? combined
    : concatenate([combined, slice(conditional.value, 1, count, channels - count)], 1);
  return { value, variance: conditional.variance };
}

function splitVariance(output: Tensor, channels: number): Prediction {
  const value = slice(output, 1, 0, channels);
  if (output.shape[1] === channels) return { value };
  return { value, variance: slice(output, 1, channels, channels) };
}

/** The weight of guidance at each time step, 0 .. 999: 1 is off. */
export type GuidanceWeight = (timestep: number) => number;

/** The same weight at all steps. */
export const constantGuidance = (scale: number): GuidanceWeight => () => scale;

/**
 * From 1 at the noisy end to nearly `scale` at the clean one,
 * `1 + (scale - 1) (1 - cos(pi (1 - t / 1000)^power)) / 2`, as in the code of MDT (Gao et al., "Masked
 * Diffusion Transformer is a Strong Image Synthesizer", arXiv:2303.14389).
 */
export function powerCosineGuidance(scale: number, power = 4): GuidanceWeight {
  return (timestep) =>
    1 + (scale - 1) * (1 - Math.cos(Math.PI * (1 - timestep / trainingSteps) ** power)) / 2;
}
