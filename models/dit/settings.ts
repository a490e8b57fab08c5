/**
 * What a DiT's runs have of their own.
 *
 * @module
 */
import { z } from "zod";
import { latentSettingsSchema } from "../../data/latents/cache.ts";
import { lossWeights, objectives } from "../../diffusion/objective.ts";
import type { Description } from "../../training/checkpoints/manifest.ts";
import {
  type CommonSettings,
  commonSettings,
  positive,
  share,
} from "../../training/checkpoints/settings.ts";
import type { DiTConfig } from "./model.ts";
import type { DiTStepSettings } from "./step.ts";

/** Everything that decides how the run of a DiT goes on. */
export interface DiTSettings extends CommonSettings, DiTStepSettings {}

/** The run of a DiT. */
export type DiTRun = Description<DiTConfig, DiTSettings>;

/** The JSON form of the settings. */
export const ditSettingsSchema: z.ZodType<DiTSettings> = z.strictObject({
  ...commonSettings,
  batchSize: positive,
  labelDropout: share,
  latents: latentSettingsSchema.optional(),
  objective: z.enum(objectives).optional(),
  lossWeight: z.enum(lossWeights).optional(),
});
