/**
 * W.A.L.T on the command line.
 *
 * @module
 */
import type { WaltConfig } from "../../../models/walt/model.ts";
import { demoFlags } from "../../commands/demo_flags.ts";
import { type FamilyCommand, type FamilyCommands, trainCommand } from "../commands.ts";
import { evalWaltFlags } from "./eval_flags.ts";
import { waltFields } from "./model_flags.ts";
import { checkSampleWalt, sampleWaltFlags } from "./sample/flags.ts";
import { trainWaltFlags } from "./train_flags.ts";

const train = trainCommand({
  summary: "train a diffusion transformer of clips",
  description: "Train W.A.L.T's denoiser on clips, in pixels or as latents.\n\n" +
    "Without flags it trains a small model on pictures of clothes that move, whose classes are " +
    "direction and speed. A run can be stopped with Ctrl-C at any time and resumed.",
  flags: trainWaltFlags,
  examples: [
    ["tessera train walt --steps 300 --sample-every 100", "a first run on moving pictures"],
    ["tessera train walt --data-path shipped:motion --frames 9 --size 32", "shipped animations"],
    ["tessera train walt --data-path videos --frames 17 --size 64 --fps 8", "your own videos"],
    [
      "tessera train walt --data-path videos --size 64 --tokenizer results/000-CausalTokenizer",
      "their latents",
    ],
    ["tessera train walt --frame-prediction 0.3", "a model that continues given frames too"],
    ["tessera train walt --resume auto --steps 5000", "go on with the newest run"],
    ["tessera train walt --model WALT-L --dry-run", "what a run would need"],
  ],
  load: async () => (await import("./train.ts")).waltTraining,
});

const sample: FamilyCommand<typeof sampleWaltFlags> = {
  summary: "draw clips with a diffusion transformer",
  description:
    "Draw clips with W.A.L.T's denoiser: of classes or captions, from a picture, or what " +
    "comes after the first frames of a clip.\n\n" +
    "Clip i depends on the seed and i only, not on the batch size.",
  flags: sampleWaltFlags,
  examples: [
    ["tessera sample walt --ckpt results/000-WALT-XS", "one clip of each of the first ten classes"],
    ['tessera sample walt --ckpt RUN --classes "right fast" --count 8', "one class"],
    ["tessera sample walt --ckpt RUN --frames-from clip.mp4", "what comes after its first frames"],
    ["tessera sample walt --ckpt RUN --image photo.png", "clips that begin with a picture"],
    ["tessera sample walt --ckpt RUN --length 41", "clips that are continued twice"],
    ["tessera sample walt --ckpt RUN --embeddings t5.safetensors", "a model with text"],
  ],
  run: async (io, parsed) => {
    checkSampleWalt(parsed);
    const { runSampleWalt } = await import("./sample/sample.ts");
    await runSampleWalt(io, parsed);
  },
};

const evaluation: FamilyCommand<typeof evalWaltFlags> = {
  summary: "how near the clips of a diffusion transformer are to real ones",
  description: "Draw clips and compare them with real ones by features of a network: Frechet " +
    "distance, precision and recall, kernel distance. With I3D's weights the distance is FVD; with " +
    "a NaViT, which looks at frames, it is called after it.\n\n" +
    "Models of pictures that move (shipped:moving-fashion) are also asked whether direction and " +
    "speed are right, which needs no network.",
  flags: evalWaltFlags,
  examples: [
    ["tessera eval walt --ckpt results/000-WALT-XS", "direction and speed of moving pictures"],
    [
      "tessera eval walt --ckpt RUN --features i3d.safetensors --data-path videos --count 2048",
      "FVD against your own videos",
    ],
  ],
  run: async (io, { values }) => {
    const { runEvalWalt } = await import("./eval.ts");
    await runEvalWalt(io, values);
  },
};

const demo: FamilyCommand<ReturnType<typeof demoFlags>> = {
  summary: "train, draw and predict clips, in about three minutes",
  description: "Train a small W.A.L.T on pictures that move, draw clips from it and from the " +
    "checkpoint that comes with the tool, measure whether they move as they should, and predict " +
    "what comes after the first frames of a clip.",
  flags: demoFlags(100),
  examples: [
    ["tessera demo walt", "about three minutes on two CPU cores"],
    ["tessera demo walt --seconds 600", "train longer, for better clips"],
  ],
  run: async (io, { values }) => {
    const { runDemo } = await import("../../runs/demo.ts");
    const { waltDemo } = await import("./demo.ts");
    await runDemo(io, values, waltDemo);
  },
};

/** The commands of W.A.L.T's denoisers. */
export const waltCommands: FamilyCommands<WaltConfig> = {
  name: "walt",
  title: "W.A.L.T",
  fields: waltFields,
  verify: {
    summary: "a denoiser of W.A.L.T and its gradients",
    contents: "input.x, input.t, input.isImage, what the configuration asks for of input.y, " +
      "input.selfCondition, input.frameCondition, input.frameMask, input.lowResolution, " +
      "input.noiseLevel, input.text and input.textMask, output.v; and cotangent.v",
    hint: "the names of the inputs are those of models/walt/model.ts",
  },
  train,
  sample,
  demo,
  eval: evaluation,
};
