/**
 * Flags of `tessera train vae`.
 *
 * @module
 */
import { alias, flag, group, optional, resumable, toggle, type Values } from "../../flags/flags.ts";
import { integer, number, text } from "../../flags/parsers.ts";
import { sampleEveryFlag, trainFlags } from "../../flags/train_flags.ts";
import { adversarialFlags } from "../adversarial_flags.ts";
import { perceptualFlags } from "../perceptual_flags.ts";
import { reconstructionEvalFlag } from "../reconstruction_evaluation.ts";
import { autoencoderKLModelFlags } from "./model_flags.ts";

/** Every flag of `train vae`. */
export const trainVaeFlags = {
  ...group("Model:", {
    model: flag("--model <name>", "config to start from: VAE-XS, VAE-S, SD-VAE", text, "VAE-XS"),
    config: optional("--config <file>", "model config as JSON; flags override its fields", text),
    ...autoencoderKLModelFlags,
    channels: optional(
      "--channels <n>",
      "channels of the pictures: 1 grey, 3 RGB",
      integer({ min: 1, max: 65536 }),
    ),
  }),
  ...group("Data:", {
    ...resumable({
      dataPath: optional(
        "--data-path <path>",
        "pictures: a folder of them, or an IDX file of images",
        text,
        "the shipped samples",
      ),
    }),
    imageSize: optional(
      "--image-size <pixels>",
      "side of the pictures",
      integer({ min: 1, max: 65536 }),
    ),
    flip: toggle("--flip", "mirror half of the pictures, left to right"),
  }),
  ...group("Training:", {
    batchSize: alias(
      flag("--batch-size <n>", "pictures a step", integer({ min: 1 }), 16),
      "--global-batch-size",
    ),
    klWeight: flag(
      "--kl-weight <x>",
      "factor of the divergence from the standard normal, which keeps latents near it",
      number({ min: 0 }),
      1e-6,
    ),
    ...perceptualFlags("pictures"),
    ...adversarialFlags(0, "half of the first level's"),
  }),
  ...trainFlags({
    learningRate: "1e-3 below width 128, else 1e-4",
    rateSchedule: "constant",
    warmup: 100,
    weightDecay: 0,
    averageDecay: 0.999,
  }),
  ...resumable(group("Run:", {
    sampleEvery: sampleEveryFlag("draw pictures and their reconstructions"),
    evalEvery: reconstructionEvalFlag,
  })),
} as const;

/** What `train vae` was asked to do. */
export type TrainVaeOptions = Values<typeof trainVaeFlags>;
