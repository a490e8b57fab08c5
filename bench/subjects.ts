/**
 * What models are counted and timed on.
 *
 * @module
 */
import type { ModelConfig } from "../models/registry.ts";

/** A model and the picture that it is counted or timed on. */
export interface Subject {
  /** Name for the tables. */
  readonly name: string;
  /** The model. */
  readonly config: ModelConfig;
  /** Patches of the picture; those of a DiT follow from its configuration. */
  readonly tokens: number;
}
