/**
 * What the runs of autoencoders have of their own.
 *
 * @module
 */
import { z } from "zod";
import type { Description } from "../../training/checkpoints/manifest.ts";
import {
  type CommonSettings,
  commonSettings,
  positive,
  share,
} from "../../training/checkpoints/settings.ts";
import { perceptualNetworkSchema } from "../perceptual/loss.ts";
import type { AutoencoderKLConfig } from "./model.ts";
import type { AutoencoderKLStepSettings } from "./step.ts";

/** Everything that decides how the run of an autoencoder goes on. */
export interface AutoencoderKLSettings extends CommonSettings, AutoencoderKLStepSettings {}

/** The run of an autoencoder. */
export type AutoencoderKLRun = Description<AutoencoderKLConfig, AutoencoderKLSettings>;

const weight = z.number().min(0);

/** The JSON form of the settings. */
export const autoencoderKLSettingsSchema: z.ZodType<AutoencoderKLSettings> = z.strictObject({
  ...commonSettings,
  batchSize: positive,
  imageSize: positive,
  klWeight: weight,
  betas: z.tuple([share, share]).optional(),
  adversary: z.strictObject({
    discriminator: z.strictObject({
      baseChannels: positive,
      multipliers: z.array(positive).min(1),
    }),
    weights: z.strictObject({ adversarial: weight, r1: weight, lecam: weight }),
  }).optional(),
  perceptual: z.strictObject({ network: perceptualNetworkSchema, weight }).optional(),
});
