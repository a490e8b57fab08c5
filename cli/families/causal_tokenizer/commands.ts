/**
 * Causal tokenizers on the command line.
 *
 * @module
 */
import type { CausalTokenizerConfig } from "../../../models/causal_tokenizer/model.ts";
import { type FamilyCommand, type FamilyCommands, trainCommand } from "../commands.ts";
import { encodeTokenizerFlags } from "./encode_flags.ts";
import { evalTokenizerFlags } from "./eval_flags.ts";
import { causalTokenizerFields } from "./model_flags.ts";
import { trainTokenizerFlags } from "./train_flags.ts";

const train = trainCommand({
  summary: "train a tokenizer of clips or pictures, whose latents W.A.L.T works on",
  description:
    "Train a causal autoencoder on clips, or on pictures, against a discriminator that " +
    "learns to tell its reconstructions from them.\n\n" +
    "Without flags it trains a small model on the animations that come with the tool. A run can " +
    "be stopped with Ctrl-C at any time and resumed.",
  flags: trainTokenizerFlags,
  examples: [
    ["tessera train tokenizer --steps 300", "a first run on the shipped animations"],
    ["tessera train tokenizer --data-path videos --fps 8 --size 64", "your own videos"],
    [
      "tessera train tokenizer --model ImageTokenizer-XS --data-path photos --size 64",
      "pictures",
    ],
    ["tessera train tokenizer --adversarial-weight 0", "squared error only, much faster"],
    ["tessera train tokenizer --resume auto --steps 5000", "go on with the newest run"],
    ["tessera train tokenizer --model CausalTokenizer --size 128 --dry-run", "what it would need"],
  ],
  load: async () => (await import("./train.ts")).tokenizerTraining,
});

const evaluation: FamilyCommand<typeof evalTokenizerFlags> = {
  summary: "how well a tokenizer brings clips back, and what its latents are like",
  description:
    "PSNR and SSIM of clips and of each of their frames, the error of what changes from " +
    "frame to frame, and mean and deviation of the latents. Clips are worked through in chunks of " +
    "time that fit into memory.",
  flags: evalTokenizerFlags,
  examples: [
    ["tessera eval tokenizer --ckpt results/000-CausalTokenizer-XS", "a run, on its data"],
    [
      "tessera eval tokenizer --ckpt results/000-CausalTokenizer-XS --sheet sheet.png",
      "with originals above reconstructions",
    ],
    [
      "tessera eval tokenizer --ckpt w.safetensors --config CausalTokenizer --data-path videos " +
      "--size 256 --count 1",
      "published weights, on one clip of your own",
    ],
  ],
  run: async (io, { values }) => {
    const { runEvalTokenizer } = await import("./eval.ts");
    await runEvalTokenizer(io, values);
  },
};

const encode: FamilyCommand<typeof encodeTokenizerFlags> = {
  summary: "encode clips or pictures with a causal tokenizer",
  description: "Encode clips or pictures into a cache of latents.\n\n" +
    "Without flags about clips they are those of the tokenizer's run. The cache keeps labels, where " +
    "each clip comes from and how fast it is, and says which tokenizer it is of. What is stopped or " +
    "killed is continued by the same command.",
  flags: encodeTokenizerFlags,
  examples: [
    [
      "tessera encode --ckpt results/000-CausalTokenizer-XS --out latents",
      "the clips of a run",
    ],
    [
      "tessera encode --ckpt results/000-CausalTokenizer-XS --data-path videos --out new",
      "other clips, cut as those of the run",
    ],
    ["tessera train walt --data-path latents", "train on them"],
  ],
  run: async (io, { values }) => {
    const { runEncodeTokenizer } = await import("./encode.ts");
    await runEncodeTokenizer(io, values);
  },
};

/** The commands of causal tokenizers. */
export const causalTokenizerCommands: FamilyCommands<CausalTokenizerConfig> = {
  name: "causal-tokenizer",
  word: "tokenizer",
  title: "causal tokenizer",
  fields: causalTokenizerFields,
  verify: {
    summary: "a causal tokenizer: both halves and their gradients",
    contents: "input.video, output.latent, input.latent, output.video; and cotangent.latent, " +
      "cotangent.video",
    hint: "clips to latents and latents to clips",
  },
  train,
  eval: evaluation,
  encode,
};
