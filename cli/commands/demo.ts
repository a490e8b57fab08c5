/**
 * `tessera demo`: a model family once from start to end, in a few minutes.
 *
 * @module
 */
import { Command } from "commander";
import { define } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";
import { demoFlags } from "./demo_flags.ts";

/** Builds `tessera demo`. */
export function command(io: Io): Command {
  return new Command("demo")
    .description("Train a small model on real pictures and show what it can do.")
    .usage("[dit|navit] [options]")
    .addCommand(ditDemo(io), { isDefault: true })
    .addCommand(navitDemo(io));
}

function ditDemo(io: Io): Command {
  return define({
    name: "dit",
    summary: "train, sample and compare devices, in about three minutes",
    description:
      "Train a small diffusion transformer on real pictures, draw pictures from it and " +
      "from the checkpoint that comes with the tool, plot the loss, and compare the devices.",
    flags: demoFlags(100),
    examples: [
      ["tessera demo", "about three minutes on two CPU cores"],
      ["tessera demo dit --seconds 600", "train longer, for better pictures"],
    ],
    run: async ({ values }) => {
      const { runDemo } = await import("../families/dit/demo.ts");
      await runDemo(io, values);
    },
  });
}

function navitDemo(io: Io): Command {
  return define({
    name: "navit",
    summary: "train and evaluate a vision transformer at many sizes, in under two minutes",
    description: "Train a small vision transformer on clip-art of mixed sizes, packed into " +
      "sequences, and measure its accuracy and cost at several numbers of tokens.",
    flags: demoFlags(75),
    examples: [
      ["tessera demo navit", "under two minutes on two CPU cores"],
      ["tessera demo navit --seconds 600", "train longer, for a better model"],
    ],
    run: async ({ values }) => {
      const { runNaViTDemo } = await import("../families/navit/demo.ts");
      await runNaViTDemo(io, values);
    },
  });
}
