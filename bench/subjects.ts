/**
 * What models are counted and timed on.
 *
 * @module
 */
import type { SampleSize } from "../models/family.ts";
import type { FamilyConfig } from "../nn/config.ts";

/** A model and the sample that it is counted or timed on. */
export interface Subject extends SampleSize {
  /** Name for the tables. */
  readonly name: string;
  /** The model. */
  readonly config: FamilyConfig;
}

/**
 * What a model can be timed at: `train` is the step of `tessera train`, `train-plain` the bare one
 * that frameworks are compared by.
 */
export type ModelOperation = "forward" | "train" | "train-plain";
