/**
 * The subcommands. Each module is loaded when its command is called, so that the tool starts fast;
 * the imports are literals, so that a compiled binary contains them.
 *
 * @module
 */
import type { Command } from "commander";
import type { Io } from "./terminal/io.ts";

/** What a subcommand's module exports. */
export interface CommandModule {
  /** Builds the command; its actions write to `io`. What it is may hang on the command line. */
  command(io: Io, args: readonly string[]): Command | Promise<Command>;
}

/** One subcommand. */
export interface CommandEntry {
  /** What the list of commands says about it. */
  readonly summary: string;
  load(): Promise<CommandModule>;
}

/** All subcommands, in the order of the help. */
export const commands: Readonly<Record<string, CommandEntry>> = {
  demo: {
    summary: "train, sample and compare devices, in about three minutes",
    load: () => import("./commands/demo.ts"),
  },
  train: {
    summary: "train a model",
    load: () => import("./commands/train.ts"),
  },
  sample: {
    summary: "draw pictures from a trained model",
    load: () => import("./commands/sample.ts"),
  },
  eval: {
    summary: "measure how good a trained model is",
    load: () => import("./commands/eval.ts"),
  },
  encode: {
    summary: "turn pictures into latents to train on",
    load: () => import("./commands/encode.ts"),
  },
  plot: {
    summary: "draw the curves of training runs",
    load: () => import("./commands/plot.ts"),
  },
  export: {
    summary: "make a checkpoint to share, files for TensorBoard, or clips",
    load: () => import("./commands/export.ts"),
  },
  convert: {
    summary: "weights from one format into another",
    load: () => import("./commands/convert.ts"),
  },
  bench: {
    summary: "count what models cost and time them",
    load: () => import("./bench/bench.ts"),
  },
  verify: {
    summary: "compare with another framework's numbers",
    load: () => import("./commands/verify.ts"),
  },
  info: {
    summary: "what this machine, a model or a checkpoint is",
    load: () => import("./commands/info.ts"),
  },
};
