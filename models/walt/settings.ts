/**
 * What the runs of W.A.L.T's denoisers have of their own.
 *
 * @module
 */
import { z } from "zod";
import { type ClipCuts, clipCutsSchema } from "../../data/clips/cuts.ts";
import { latentSettingsSchema } from "../../data/latents/cache.ts";
import { trainingSteps } from "../../diffusion/schedule.ts";
import type { Description } from "../../training/checkpoints/manifest.ts";
import {
  type CommonSettings,
  commonSettings,
  positive,
  share,
} from "../../training/checkpoints/settings.ts";
import type { WaltConfig } from "./model.ts";
import type { WaltStepSettings } from "./step.ts";

/** Everything that decides how the run of a denoiser goes on. */
export interface WaltSettings extends CommonSettings, WaltStepSettings {
  /** How its clips are cut out of videos; absent where it is trained on latents. */
  readonly cuts?: ClipCuts;
}

/** The run of a denoiser. */
export type WaltRun = Description<WaltConfig, WaltSettings>;

/** The JSON form of the settings. */
export const waltSettingsSchema: z.ZodType<WaltSettings> = z.strictObject({
  ...commonSettings,
  batchSize: positive,
  labelDropout: share,
  selfConditioning: share,
  framePrediction: share,
  imageShare: share,
  cuts: clipCutsSchema.optional(),
  schedule: z.enum(["zero-terminal", "linear"]).optional(),
  text: z.strictObject({ path: z.string(), fingerprint: z.string(), words: positive }).optional(),
  lowResolution: z.strictObject({
    maxNoise: z.int().min(0).max(trainingSteps - 1),
    cache: z.strictObject({
      path: z.string(),
      fingerprint: z.string(),
      latents: latentSettingsSchema,
    }).optional(),
  }).optional(),
  latents: latentSettingsSchema.optional(),
});
