/**
 * Flags of `tessera train tokenizer`.
 *
 * @module
 */
import { paperWeights } from "../../../models/causal_tokenizer/weights.ts";
import { clipDataFlags } from "../../flags/clip_data_flags.ts";
import {
  changeable,
  flag,
  group,
  optional,
  resumable,
  toggle,
  type Values,
} from "../../flags/flags.ts";
import { integer, number, text } from "../../flags/parsers.ts";
import { sampleEveryFlag, trainFlags } from "../../flags/train_flags.ts";
import { adversarialFlags } from "../adversarial_flags.ts";
import { perceptualFlags } from "../perceptual_flags.ts";
import { reconstructionEvalFlag } from "../reconstruction_evaluation.ts";
import { causalTokenizerModelFlags } from "./model_flags.ts";

const weight = number({ min: 0 });
const decay = number({ min: 0, max: 1 });

/** Every flag of `train tokenizer`. */
export const trainTokenizerFlags = {
  ...group("Model:", {
    model: flag(
      "--model <name>",
      "config to start from, such as CausalTokenizer-XS or, for pictures, ImageTokenizer-XS",
      text,
      "CausalTokenizer-XS",
    ),
    config: optional("--config <file>", "model config as JSON; flags override its fields", text),
    ...causalTokenizerModelFlags,
  }),
  ...group("Data:", {
    ...resumable({
      dataPath: optional(
        "--data-path <path>",
        "clips: a folder of videos or animations; with --frames 1 pictures",
        text,
        "the shipped animations",
      ),
    }),
    flip: toggle("--flip", "mirror half of the clips, left to right"),
  }),
  ...clipDataFlags,
  ...group("Clips:", {
    frames: optional(
      "--frames <n>",
      "frames of a clip; 1 trains on pictures",
      integer({ min: 1, max: 4096 }),
      "17, or 1 for a tokenizer of pictures",
    ),
  }),
  ...group("Training:", {
    batchSize: flag("--batch-size <n>", "clips or pictures a step", integer({ min: 1 }), 8),
    ...perceptualFlags("frames"),
    l2Weight: flag("--l2-weight <x>", "weight of the squared error", weight, paperWeights.l2),
    ...adversarialFlags(paperWeights.adversarial, "half of the tokenizer's"),
    beta1: flag("--beta1 <x>", "decay of the optimizer's mean gradient", decay, 0),
    beta2: flag("--beta2 <x>", "decay of its mean squared gradient", decay, 0.99),
  }),
  ...trainFlags({
    learningRate: "1e-3 below width 64, else 1e-4",
    rateSchedule: "cosine",
    warmup: 100,
    weightDecay: 0,
    averageDecay: 0.999,
  }),
  ...resumable(group("Run:", {
    sampleEvery: sampleEveryFlag("draw clips above their reconstructions"),
    evalEvery: reconstructionEvalFlag,
  })),
  ...changeable(
    "optimizer",
    group("Training:", {
      clipGrad: flag(
        "--clip-grad <norm>",
        "largest gradient norm over both networks; 0 is no limit",
        number({ min: 0 }),
        0,
      ),
    }),
  ),
} as const;

/** What `train tokenizer` was asked to do. */
export type TrainTokenizerOptions = Values<typeof trainTokenizerFlags>;
