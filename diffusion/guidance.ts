/**
 * Classifier-free guidance: conditional and unconditional predictions in one batch, combined into
 * `unconditional + scale (conditional - unconditional)` (DiT, section 3.1).
 *
 * @module
 */
import { add, multiply, subtract } from "../kernels/ops/elementwise/op.ts";
import { concatenate, slice } from "../kernels/ops/movement/op.ts";
import { input, type Tensor } from "../kernels/tensor.ts";
import type { Network } from "./step_conditions.ts";
import { trainingSteps } from "./schedule.ts";

/** How strongly and where guidance acts. */
export interface Guidance {
  /** 1 means off: the plain conditional prediction. */
  readonly scale: number;
  /** How it goes along the steps; the same at all of them when absent. */
  readonly schedule?: GuidanceSchedule;
  /** How many of the leading channels are guided; all by default, 3 in the tables of the DiT paper. */
  readonly channels?: number;
}

/** A guided prediction. */
export interface Prediction {
  /** What the network was trained to predict: the noise, or a velocity (N, C, H, W). */
  readonly value: Tensor;
  /** (N, C, H, W), always from the conditional half; absent when the network has C channels. */
  readonly variance?: Tensor;
}

/** The weight of guidance in a step, an input of its graph. */
export const guidanceInput = "guidance";

/**
 * Evaluates the network with guidance. Without it (scale 1) the batch is not doubled.
 *
 * @param condition (N, W); with guidance (2 N, W), then those of no class
 */
export function guidedPrediction(
  { denoise }: Network,
  x: Tensor,
  condition: Tensor,
  { scale, channels: guided }: Guidance,
): Prediction {
  const [batch, channels] = x.shape;
  if (scale === 1) return splitVariance(denoise(x, condition), channels);
  const both = denoise(concatenate([x, x], 0), condition);
  const conditional = splitVariance(slice(both, 0, 0, batch), channels);
  const unconditional = slice(slice(both, 0, batch, batch), 1, 0, channels);
  const count = Math.min(guided ?? channels, channels);
  const part = (tensor: Tensor): Tensor => slice(tensor, 1, 0, count);
  const weight = input(guidanceInput, [1]);
  const combined = add(
    part(unconditional),
    multiply(weight, subtract(part(conditional.value), part(unconditional))),
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

/** How guidance goes along the steps. */
export type GuidanceSchedule =
  | { readonly kind: "constant" }
  /** Between two time steps only, parts of all of them from 0, clean, to 1, noise. */
  | { readonly kind: "interval"; readonly from: number; readonly to: number }
  /** Growing towards the clean end. */
  | { readonly kind: "power-cosine"; readonly power: number };

/** The kinds of schedules. */
export const guidanceSchedules = [
  "constant",
  "interval",
  "power-cosine",
] as const satisfies readonly (
  GuidanceSchedule["kind"]
)[];

/** The weights of a scale along a schedule. */
export function guidanceWeight(
  scale: number,
  schedule: GuidanceSchedule = { kind: "constant" },
): GuidanceWeight {
  switch (schedule.kind) {
    case "constant":
      return constantGuidance(scale);
    case "interval":
      return intervalGuidance(scale, schedule.from, schedule.to);
    case "power-cosine":
      return powerCosineGuidance(scale, schedule.power);
  }
}

/** The weight of guidance at each time step, 0 .. 999, of flows up to 1000: 1 is off. */
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

/**
 * `scale` between two time steps, given as parts of all, and 1 outside: guidance harms where noise is high
 * and does nothing where it is low (Kynkäänniemi et al., "Applying Guidance in a Limited Interval Improves
 * Sample and Distribution Quality in Diffusion Models", arXiv:2404.07724).
 */
export function intervalGuidance(scale: number, from: number, to: number): GuidanceWeight {
  const isInside = (part: number): boolean => from <= part && part <= to;
  return (timestep) => isInside(timestep / trainingSteps) ? scale : 1;
}
