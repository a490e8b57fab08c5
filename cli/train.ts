/**
 * Flags of `tessera train dit`. Names and meanings are DiT's where it has the flag.
 *
 * @module
 */
import { flag, group, optional, type Parsed, parseFlags, toggle, type Values } from "./flags.ts";
import { deviceFlags, modelFlags, progressFlags, seedFlags } from "./options.ts";
import { integer, number, text } from "./parsers.ts";

const count = integer({ min: 1 });

/** Every flag of `train dit`. */
export const trainDitFlags = {
  ...group("Model:", {
    model: flag("--model <name>", "config to start from: DiT-S/8 to DiT-XL/2", text, "DiT-S/4"),
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
  }),
  ...group("Training:", {
    steps: optional("--steps <n>", "optimizer steps; wins over --epochs", count),
    epochs: flag("--epochs <n>", "passes over the data", count, 1400),
    globalBatchSize: flag("--global-batch-size <n>", "pictures a step", count, 256),
    lr: flag("--lr <rate>", "AdamW learning rate, constant", number({ above: 0 }), 1e-4),
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
    ckptEvery: flag("--ckpt-every <steps>", "steps between checkpoints", count, 1000),
    keep: flag("--keep <n>", "checkpoints to keep", count, 3),
    logEvery: flag("--log-every <steps>", "steps between read-backs of the loss", count, 100),
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
