/**
 * `tessera train`: the commands.
 *
 * @module
 */
import { Command } from "commander";
import { trainDitFlags } from "../families/dit/train_flags.ts";
import { navitTrainFlags } from "../families/navit/train_flags.ts";
import { define } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";

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
