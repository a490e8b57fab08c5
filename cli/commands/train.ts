/**
 * `tessera train`: the commands and their flags.
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
} from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";
import { modelFlags } from "../flags/options.ts";
import { integer, number, text } from "../flags/parsers.ts";
import { trainFlags } from "../flags/train_flags.ts";
import { navitTrainFlags } from "../families/navit/train_flags.ts";

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
    globalBatchSize: flag("--global-batch-size <n>", "pictures a step", integer({ min: 1 }), 64),
  }),
  ...trainFlags({
    learningRate: "1e-3 below width 384, else 1e-4",
    rateSchedule: "constant",
    warmup: 0,
    weightDecay: 0,
    averageDecay: 0.9999,
  }),
  ...group("Run:", {
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
  }),
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
    .addCommand(ditCommand(io))
    .addCommand(navitCommand(io));
}

function ditCommand(io: Io): Command {
  return define({
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
        "tessera train dit --data-path photos --image-size 64 --model DiT-S/8",
        "your own folders",
      ],
      ["tessera train dit --resume auto --steps 5000", "go on with the newest run"],
      ["tessera train dit --lr-schedule cosine --warmup 200", "warm-up and decay of the rate"],
      ["tessera train dit --model DiT-XL/2 --dry-run", "what a run would need"],
    ],
    run: async (parsed) => {
      const { runTrainDit } = await import("../families/dit/train.ts");
      await runTrainDit(io, parsed);
    },
  });
}

function navitCommand(io: Io): Command {
  return define({
    name: "navit",
    summary: "train a vision transformer on pictures of any size",
    description: "Train a vision transformer on labelled pictures of mixed sizes and aspect " +
      "ratios, packed into sequences.\n\n" +
      "Without flags it trains a small model on the clip-art that comes with the tool. A run can " +
      "be stopped with Ctrl-C at any time and resumed.",
    flags: navitTrainFlags,
    examples: [
      ["tessera train navit --steps 300", "a first run on the shipped pictures"],
      ["tessera train navit --data-path photos --holdout 0.2", "your own folders"],
      [
        "tessera train navit --data-path photos --model NaViT-S/16 --resolution 64:256 " +
        "--sequence-length 256 --token-drop beta:0.5:0.9",
        "the paper's setting",
      ],
      ["tessera train navit --loss contrastive --data-path captioned", "images with captions"],
      ["tessera train navit --resume auto", "go on with the newest run"],
      ["tessera train navit --model NaViT-B/16 --dry-run", "what a run would need"],
    ],
    run: async (parsed) => {
      const { runTrainNaViT } = await import("../families/navit/train.ts");
      await runTrainNaViT(io, parsed);
    },
  });
}
