/**
 * The step of AdamW.
 *
 * @module
 */
import type { View } from "../../view.ts";

/** Positions in the `schedule` operand of an AdamW step. */
export const adamwSchedule = {
  /** Factor on the update and on the decay. */
  learningRate: 0,
  /** Decay of the first moment, in [0, 1). */
  beta1: 1,
  /** Decay of the second moment, in [0, 1). */
  beta2: 2,
  /** Added to the root of the corrected second moment. */
  epsilon: 3,
  /** Decoupled weight decay, 0 for none. */
  weightDecay: 4,
  /** 1 / (1 - beta1^t) */
  correction1: 5,
  /** 1 / sqrt(1 - beta2^t) */
  correction2: 6,
  /** Decay of the moving average of the weights, between 0 and 1. */
  averageDecay: 7,
  /** Number of entries of the operand. */
  length: 8,
} as const;

/**
 * One AdamW update with decoupled weight decay, and the moving average of the weights, in place.
 *
 * With g = gradientScale * gradient:
 * `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
 * `p = p (1 - lr wd) - lr (m c1) / (sqrt(v) c2 + epsilon)`,
 * `average = averageDecay average + (1 - averageDecay) p`.
 * Nothing is changed when `gradientScale` is negative or not a number (the step is skipped).
 */
export interface AdamWStep {
  /** Discriminates `Step`. */
  readonly kind: "adamw";
  /** All contiguous and of one size; everything but the gradient is updated in place. */
  readonly parameter: View;
  /** Read only. */
  readonly gradient: View;
  /** m: moving average of the gradient. */
  readonly firstMoment: View;
  /** v: moving average of the squared gradient. */
  readonly secondMoment: View;
  /** Moving average of the weights; absent when none is kept. */
  readonly average?: View;
  /** f32 (8), see `adamwSchedule`. */
  readonly schedule: View;
  /** f32 scalar */
  readonly gradientScale: View;
  /** Whether weight decay applies to this tensor. */
  readonly decay: boolean;
}
