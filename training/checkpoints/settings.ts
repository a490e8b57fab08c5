/**
 * Settings that the runs of every model have, and their JSON form.
 *
 * @module
 */
import { z } from "zod";
import type { FloatType } from "../../kernels/shape.ts";
import type { OptimizerSettings } from "../step/optimizer.ts";

/** Settings of the runs of every model. */
export interface CommonSettings extends OptimizerSettings {
  /** Seed of first values, data order and everything else that is random. */
  readonly seed: number;
  /** Whether training pictures are mirrored at random. */
  readonly flip: boolean;
  /** Equal parts a batch is divided into, which saves memory; 1 when absent. */
  readonly accumulate?: number;
  /** Whether losses are scaled, so that small gradients survive half precision; not when absent. */
  readonly lossScaling?: boolean;
  /** How results of operations are kept on the device; `f32` when absent. */
  readonly activations?: FloatType;
}

/** A whole number from 0. */
export const whole = z.int().min(0);

/** A whole number from 1. */
export const positive = z.int().min(1);

/** A part of a whole, 0 to 1. */
export const share = z.number().min(0).max(1);

const rateScheduleSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant"), warmup: whole }),
  z.strictObject({
    kind: z.literal("cosine"),
    warmup: whole,
    steps: positive,
    minimum: z.number().min(0),
  }),
  z.strictObject({
    kind: z.literal("rsqrt"),
    warmup: whole,
    timescale: z.number().positive(),
    steps: positive,
    cooldown: whole,
  }),
]);

/** Fields of {@link CommonSettings}. */
export const commonSettings = {
  seed: whole,
  flip: z.boolean(),
  clipNorm: z.number().min(0),
  learningRate: z.number().positive(),
  // Checkpoints from before there were schedules have none.
  rateSchedule: rateScheduleSchema.optional(),
  weightDecay: z.number().min(0),
  headWeightDecay: z.number().min(0).optional(),
  averageDecay: share,
  accumulate: positive.optional(),
  lossScaling: z.boolean().optional(),
  activations: z.enum(["f32", "f16"]).optional(),
};
