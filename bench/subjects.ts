/**
 * What models are counted and timed on.
 *
 * @module
 */
import type { FamilyConfig } from "../nn/config.ts";

/** A model and the sample that it is counted or timed on. */
export interface Subject {
  /** Name for the tables. */
  readonly name: string;
  /** The model. */
  readonly config: FamilyConfig;
  /** Tokens of the sample; those of some families follow from the configuration. */
  readonly tokens: number;
}

/**
 * What a model can be timed at: `train` is the step of `tessera train`, `train-plain` the bare one
 * that frameworks are compared by.
 */
export type ModelOperation = "forward" | "train" | "train-plain";
