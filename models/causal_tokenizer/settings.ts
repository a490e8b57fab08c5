/**
 * What the runs of tokenizers have of their own.
 *
 * @module
 */
import { z } from "zod";
import { type ClipCuts, clipCutsSchema } from "../../data/clips/cuts.ts";
import type { Description } from "../../training/checkpoints/manifest.ts";
import {
  type CommonSettings,
  commonSettings,
  positive,
  share,
} from "../../training/checkpoints/settings.ts";
import { perceptualNetworkSchema } from "../perceptual/loss.ts";
import type { CausalTokenizerConfig } from "./model.ts";
import type { TokenizerStepSettings } from "./step.ts";

/** Everything that decides how the run of a tokenizer goes on. */
export interface TokenizerSettings extends CommonSettings, TokenizerStepSettings {
  /** How its clips are cut out of videos; absent where it is trained on pictures. */
  readonly cuts?: ClipCuts;
}

/** The run of a tokenizer. */
export type TokenizerRun = Description<CausalTokenizerConfig, TokenizerSettings>;

const weight = z.number().min(0);

/** The JSON form of the settings. */
export const tokenizerSettingsSchema: z.ZodType<TokenizerSettings> = z.strictObject({
  ...commonSettings,
  betas: z.tuple([share, share]),
  batchSize: positive,
  clip: z.strictObject({ frames: positive, height: positive, width: positive }),
  cuts: clipCutsSchema.optional(),
  discriminator: z.strictObject({
    baseChannels: positive,
    multipliers: z.array(positive).min(1),
  }).optional(),
  perceptual: perceptualNetworkSchema.optional(),
  weights: z.strictObject({
    l2: weight,
    adversarial: weight,
    perceptual: weight,
    r1: weight,
    lecam: weight,
  }),
});
