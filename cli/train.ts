/**
 * Flags of `tessera train dit`. Names and meanings are DiT's where it has the flag.
 *
 * @module
 */
import { Command } from "commander";
import {
  define,
  flag,
  group,
  optional,
  type Parsed,
  parseFlags,
  toggle,
  type Values,
} from "./flags.ts";
import type { Io } from "./io.ts";
import { deviceFlags, modelFlags, progressFlags, seedFlags } from "./options.ts";
import { choice, integer, number, text } from "./parsers.ts";

const count = integer({ min: 1 });

/** Every flag of `train dit`. */
export const trainDitFlags = {
  ...group("Model:", {
    model: flag("--model <name>", "config to start from: DiT-XS/8 to DiT-XL/2", text, "DiT-XS/4"),
  }),
  ...modelFlags,
  ...group("Data:", {
    dataPath: optional(
      "--data-path <path>",
      "pictures: one folder a class, or an IDX file of images",
      text,
      "the shipped samples",
    ),
    labelDropout: flag(
      "--label-dropout <p>",
      "probability that a label becomes the null class, for guidance",
      number({ min: 0, max: 1 }),
      0.1,
    ),
    flip: toggle("--flip", "mirror half of the pictures, left to right"),
  }),
  ...group("Training:", {
    steps: optional("--steps <n>", "optimizer steps in all; wins over --epochs", count, "2000"),
    epochs: optional("--epochs <n>", "passes over the data", count),
    globalBatchSize: flag("--global-batch-size <n>", "pictures a step", count, 64),
    accumulate: flag(
      "--accumulate <n>",
      "equal parts a batch is worked through in, to save memory",
      count,
      1,
    ),
    lr: optional(
      "--lr <rate>",
      "AdamW learning rate, the highest of the schedule",
      number({ above: 0 }),
      "1e-3 below width 384, else 1e-4",
    ),
    lrSchedule: flag(
      "--lr-schedule <constant|cosine>",
      "how the learning rate goes on after the warm-up",
      choice("constant", "cosine"),
      "constant",
    ),
    warmup: flag("--warmup <steps>", "steps of linear warm-up", integer({ min: 0 }), 0),
    lrMin: optional(
      "--lr-min <rate>",
      "learning rate at the end of a cosine",
      number({ min: 0 }),
      "0",
    ),
    lrSteps: optional(
      "--lr-steps <n>",
      "step at which a cosine ends, warm-up included",
      count,
      "all steps of the run",
    ),
    weightDecay: flag("--weight-decay <rate>", "AdamW decay", number({ min: 0 }), 0),
    clipGrad: flag(
      "--clip-grad <norm>",
      "largest gradient norm over all parameters; 0 is no limit",
      number({ min: 0 }),
      1,
    ),
    emaDecay: flag(
      "--ema-decay <rate>",
      "decay of the averaged weights, warmed up over short runs",
      number({ min: 0, max: 1 }),
      0.9999,
    ),
  }),
  ...seedFlags,
  ...group("Run:", {
    resultsDir: flag("--results-dir <folder>", "where run folders are made", text, "results"),
    ckptEvery: flag("--ckpt-every <steps>", "steps between checkpoints", count, 500),
    keep: flag("--keep <n>", "checkpoints to keep", count, 3),
    sampleEvery: optional(
      "--sample-every <steps>",
      "draw a grid from the averaged weights into samples/; 0 is never",
      integer({ min: 0 }),
      "never",
    ),
    sampleSteps: flag(
      "--sample-steps <n>",
      "steps of the sampler for --sample-every",
      integer({ min: 1, max: 1000 }),
      20,
    ),
    logEvery: flag("--log-every <steps>", "steps between read-backs of the loss", count, 20),
    resume: optional(
      "--resume <run|auto>",
      "go on with a run folder, everything included; auto takes the newest",
      text,
    ),
    initFrom: optional("--init-from <ckpt>", "start from the weights of a checkpoint only", text),
    dryRun: toggle("--dry-run", "print parameters, operations and memory, and stop"),
  }),
  ...deviceFlags,
  ...progressFlags,
} as const;

/** What `train dit` was asked to do. */
export type TrainDitOptions = Values<typeof trainDitFlags>;

/** Reads the flags of `train dit`. */
export function parseTrainOptions(args: readonly string[]): Parsed<typeof trainDitFlags> {
  return parseFlags(trainDitFlags, args);
}

/** Builds `tessera train`. */
export function command(io: Io): Command {
  return new Command("train")
    .description("Train a model.")
    .addCommand(define({
      name: "dit",
      summary: "train a diffusion transformer on pictures",
      description: "Train a diffusion transformer on labelled pictures.\n\n" +
        "Without flags it trains a small model on the Fashion-MNIST pictures that come with the " +
        "tool. A run can be stopped with Ctrl-C at any time and resumed.",
      flags: trainDitFlags,
      examples: [
        ["tessera train dit --steps 300", "a first run on the shipped pictures"],
        ["tessera train dit --data-path /usr/share/datasets/fashion-mnist", "all of Fashion-MNIST"],
        [
          "tessera train dit --data-path photos --image-size 64 --model DiT-S/4",
          "your own folders",
        ],
        ["tessera train dit --resume auto --steps 5000", "go on with the newest run"],
        ["tessera train dit --lr-schedule cosine --warmup 200", "warm-up and decay of the rate"],
        ["tessera train dit --model DiT-XL/2 --dry-run", "what a run would need"],
      ],
      run: async ({ values, given }) => {
        const { runTrainDit } = await import("./train_dit.ts");
        await runTrainDit(io, values, given);
      },
    }));
}
