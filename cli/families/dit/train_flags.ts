/**
 * Flags of `tessera train dit`.
 *
 * @module
 */
import {
  alias,
  flag,
  group,
  optional,
  type Parsed,
  parseFlags,
  resumable,
  toggle,
  type Values,
} from "../../flags/flags.ts";
import { lossWeights, objectives } from "../../../diffusion/objective.ts";
import { modelFlags } from "../../flags/options.ts";
import { checkpointPlace } from "../../flags/checkpoint_place.ts";
import { choice, integer, number, text } from "../../flags/parsers.ts";
import { ditModelFlags } from "./model_flags.ts";
import { sampleEveryFlag, trainFlags } from "../../flags/train_flags.ts";

/** Every flag of `train dit`. */
export const trainDitFlags = {
  ...group("Model:", {
    model: flag("--model <name>", "config to start from: DiT-XS/8 to DiT-XL/2", text, "DiT-XS/4"),
  }),
  ...modelFlags,
  ...ditModelFlags,
  ...group("Data:", {
    ...resumable({
      dataPath: optional(
        "--data-path <path>",
        "pictures: one folder a class, or an IDX file of images",
        text,
        "the shipped samples",
      ),
    }),
    labelDropout: flag(
      "--label-dropout <p>",
      "probability that a label becomes the null class, for guidance",
      number({ min: 0, max: 1 }),
      0.1,
    ),
    flip: toggle("--flip", "mirror half of the pictures, left to right"),
  }),
  ...group("Training:", {
    objective: optional(
      `--objective <${objectives.join("|")}>`,
      "what the network predicts: noise or velocity of a diffusion, or the velocity of a " +
        "rectified flow, from which small models learn fastest",
      choice(...objectives),
      "that of the checkpoint of --init-from; from scratch flow for named models below width 384, " +
        "else noise",
    ),
    lossWeight: flag(
      `--loss-weight <${lossWeights.join("|")}>`,
      "how errors at different noise levels count; min-snr helps models of the noise",
      choice(...lossWeights),
      "uniform",
    ),
    batchSize: alias(
      flag("--batch-size <n>", "pictures a step", integer({ min: 1 }), 64),
      "--global-batch-size",
    ),
  }),
  ...trainFlags({
    learningRate: "4e-3 up to width 128 with adaLN-Zero, 2e-3 below 384, else 1e-4",
    rateSchedule: "constant",
    warmup: 0,
    weightDecay: 0,
    averageDecay: 0.9999,
  }),
  ...resumable(group("Run:", {
    sampleEvery: sampleEveryFlag("draw a grid"),
    numSamplingSteps: alias(
      flag(
        "--num-sampling-steps <n>",
        "steps of the sampler for --sample-every",
        integer({ min: 1, max: 1000 }),
        20,
      ),
      "--sample-steps",
    ),
    evalEvery: optional(
      "--eval-every <steps>",
      "measure how near 200 pictures of the averaged weights are to the data, by --features; 0 is never",
      integer({ min: 0 }),
      "never",
    ),
    features: optional(
      "--features <path>",
      "network whose features --eval-every compares: a run of train navit, or FID's Inception weights",
      checkpointPlace,
    ),
  })),
} as const;

/** What `train dit` was asked to do. */
export type TrainDitOptions = Values<typeof trainDitFlags>;

/** Reads the flags of `train dit`. */
export function parseTrainOptions(args: readonly string[]): Parsed<typeof trainDitFlags> {
  return parseFlags(trainDitFlags, args);
}
