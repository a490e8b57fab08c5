/**
 * NaViT on the command line.
 *
 * @module
 */
import type { NaViTConfig } from "../../../models/navit/model.ts";
import { demoFlags } from "../../commands/demo_flags.ts";
import { type FamilyCommand, type FamilyCommands, trainCommand } from "../commands.ts";
import { evalNaViTFlags } from "./eval_flags.ts";
import { navitFields } from "./model_flags.ts";
import { navitTrainFlags } from "./train_flags.ts";

const train = trainCommand({
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
  load: async () => (await import("./train.ts")).navitTraining,
});

const evaluation: FamilyCommand<typeof evalNaViTFlags> = {
  summary: "accuracy, calibration and cost of vision transformers at any resolution",
  description: "Accuracy (top-1, top-5, by class), calibration, cost, cascades, robustness and " +
    "linear probes of trained NaViTs, at token budgets, resolutions, squares and native sizes.",
  flags: evalNaViTFlags,
  examples: [
    ["tessera eval navit", "the runs in results/, on the test part of their data"],
    [
      "tessera eval navit --ckpt results/000-NaViT-XS-8 --tokens 16,64,144 " +
      "--out report.html",
      "one run, with plots",
    ],
    ["tessera eval navit --square 64 --native --padded --robustness --probe", "everything"],
  ],
  run: async (io, { values }) => {
    const { runEvalNaViT } = await import("./eval.ts");
    await runEvalNaViT(io, values);
  },
};

const demo: FamilyCommand<ReturnType<typeof demoFlags>> = {
  summary: "train and evaluate a vision transformer at many sizes, in under two minutes",
  description: "Train a small vision transformer on clip-art of mixed sizes, packed into " +
    "sequences, and measure its accuracy and cost at several numbers of tokens.",
  flags: demoFlags(75),
  examples: [
    ["tessera demo navit", "under two minutes on two CPU cores"],
    ["tessera demo navit --seconds 600", "train longer, for a better model"],
  ],
  run: async (io, { values }) => {
    const { runDemo } = await import("../../runs/demo.ts");
    const { navitDemo } = await import("./demo.ts");
    await runDemo(io, values, navitDemo);
  },
};

/** The commands of NaViT. */
export const navitCommands: FamilyCommands<NaViTConfig> = {
  name: "navit",
  title: "NaViT",
  fields: navitFields,
  verify: {
    summary: "a NaViT: forward pass of a packed batch and gradients",
    contents:
      "a packed batch: input.patches, .segments, .rows, .columns, .gridRows, .gridColumns, " +
      "output.logits; and cotangent.logits",
    hint: "slots without an image are not compared",
  },
  train,
  eval: evaluation,
  demo,
};
