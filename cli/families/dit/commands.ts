/**
 * DiT on the command line.
 *
 * @module
 */
import type { DiTConfig } from "../../../models/dit/model.ts";
import { demoFlags } from "../../commands/demo_flags.ts";
import { type FamilyCommand, type FamilyCommands, trainCommand } from "../commands.ts";
import { evalDitFlags } from "./eval_flags.ts";
import { ditFields } from "./model_flags.ts";
import { checkSampleOptions, sampleDitFlags } from "./sample_flags.ts";
import { trainDitFlags } from "./train_flags.ts";

const train = trainCommand({
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
  load: async () => (await import("./train.ts")).ditTraining,
});

const sample: FamilyCommand<typeof sampleDitFlags> = {
  summary: "draw pictures with a diffusion transformer",
  description: "Draw pictures with a diffusion transformer.\n\n" +
    "Without flags it draws one picture of each of the first ten classes from the checkpoint that " +
    "comes with the tool. " +
    "Picture i depends on the seed and i only, not on the batch size.",
  flags: sampleDitFlags,
  examples: [
    ["tessera sample dit", "one picture of each of ten classes, shipped checkpoint"],
    ["tessera sample dit --ckpt results/000-DiT-XS-4 --seed 7", "from a run of yours"],
    ["tessera sample dit --classes sneaker,bag --count 8", "two classes in turn"],
    ["tessera sample dit --sampler dpm++ --num-sampling-steps 20", "fast"],
    [
      "tessera sample dit --npz samples.npz --count 50_000",
      "for an evaluation: all classes in turn",
    ],
  ],
  run: async (io, parsed) => {
    checkSampleOptions(parsed);
    const { runSampleDit } = await import("./sample.ts");
    await runSampleDit(io, parsed);
  },
};

const evaluation: FamilyCommand<typeof evalDitFlags> = {
  summary: "how near the pictures of a diffusion transformer are to real ones",
  description: "Draw pictures and compare them with real ones by features of a network: Frechet " +
    "distances, a classifier's score, precision and recall, kernel distance. With FID's Inception " +
    "weights these are FID, sFID, Inception Score and KID; with a NaViT they are called after it.",
  flags: evalDitFlags,
  examples: [
    [
      "tessera eval dit --ckpt results/001-DiT-XS-4 --features results/000-NaViT-XS-4",
      "against the pictures of the run, by a small classifier of your own",
    ],
    [
      "tessera eval dit --ckpt DiT-XL-2-256x256.pt --config DiT-XL/2 --vae sd-vae --count 50_000 " +
      "--cfg-scale 1.5 --data-path VIRTUAL_imagenet256_labeled.npz " +
      "--features pt_inception-2015-12-05-6726825d.pth",
      "the paper's table",
    ],
  ],
  run: async (io, parsed) => {
    const { runEvalDit } = await import("./eval.ts");
    await runEvalDit(io, parsed);
  },
};

const demo: FamilyCommand<ReturnType<typeof demoFlags>> = {
  summary: "train, sample and compare devices, in about three minutes",
  description: "Train a small diffusion transformer on real pictures, draw pictures from it and " +
    "from the checkpoint that comes with the tool, plot the loss, and compare the devices.",
  flags: demoFlags(100),
  examples: [
    ["tessera demo", "about three minutes on two CPU cores"],
    ["tessera demo dit --seconds 600", "train longer, for better pictures"],
  ],
  run: async (io, { values }) => {
    const { runDemo } = await import("../../runs/demo.ts");
    const { ditDemo } = await import("./demo.ts");
    await runDemo(io, values, ditDemo);
  },
};

/** The commands of DiT. */
export const ditCommands: FamilyCommands<DiTConfig> = {
  name: "dit",
  title: "DiT",
  fields: ditFields,
  verify: {
    summary: "a DiT: forward pass and gradients",
    contents: "input.x, input.t, input.y, output.out; and cotangent.out",
    hint: "exit code 1 when an output or gradient is beyond the tolerance",
  },
  train,
  sample,
  eval: evaluation,
  demo,
};
