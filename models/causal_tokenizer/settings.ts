/**
 * What the runs of tokenizers have of their own.
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
import type { CausalTokenizerConfig } from "./model.ts";
import type { TokenizerStepSettings } from "./step.ts";

/** How the clips of a run are cut out of videos; what is absent is as in the videos. */
export interface ClipCuts {
  /** Frames a second at which videos are looked at. */
  readonly fps?: number;
  /** Every n-th frame is taken. */
  readonly stride?: number;
  /** Frames from the beginning of a clip to that of the next one. */
  readonly hop?: number;
  /** Frames a second of folders of pictures. */
  readonly folderFps?: number;
  /** How frames get their size. */
  readonly crop: "center" | "pad";
}

/** Everything that decides how the run of a tokenizer goes on. */
export interface TokenizerSettings extends CommonSettings, TokenizerStepSettings {
  /** How its clips are cut out of videos; absent where it is trained on pictures. */
  readonly cuts?: ClipCuts;
}

/** The run of a tokenizer. */
export type TokenizerRun = Description<CausalTokenizerConfig, TokenizerSettings>;

const weight = z.number().min(0);
const rate = z.number().positive();

/** The JSON form of the settings. */
export const tokenizerSettingsSchema: z.ZodType<TokenizerSettings> = z.strictObject({
  ...commonSettings,
  betas: z.tuple([share, share]),
  batchSize: positive,
  clip: z.strictObject({ frames: positive, height: positive, width: positive }),
  cuts: z.strictObject({
    fps: rate.optional(),
    stride: positive.optional(),
    hop: positive.optional(),
    folderFps: rate.optional(),
    crop: z.enum(["center", "pad"]),
  }).optional(),
  discriminator: z.strictObject({
    baseChannels: positive,
    multipliers: z.array(positive).min(1),
  }).optional(),
  weights: z.strictObject({ l2: weight, adversarial: weight, r1: weight, lecam: weight }),
});
