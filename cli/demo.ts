/**
 * `tessera demo`: everything once, in about three minutes.
 *
 * @module
 */
import type { Command } from "commander";
import { define, flag, group, type Values } from "./flags.ts";
import type { Io } from "./io.ts";
import { deviceFlags, progressFlags, seedFlags } from "./options.ts";
import { integer, text } from "./parsers.ts";

/** Flags of `demo`. */
export const demoFlags = {
  ...group("Demo:", {
    seconds: flag(
      "--seconds <n>",
      "how long the small model is trained",
      integer({ min: 5, max: 36000 }),
      100,
    ),
    resultsDir: flag("--results-dir <folder>", "where the run folder is made", text, "results"),
  }),
  ...seedFlags,
  ...deviceFlags,
  ...progressFlags,
} as const;

/** What `demo` was asked to do. */
export type DemoOptions = Values<typeof demoFlags>;

/** Builds `tessera demo`. */
export function command(io: Io): Command {
  return define({
    name: "demo",
    summary: "train, sample and compare devices, in about three minutes",
    description:
      "Train a small diffusion transformer on real pictures, draw pictures from it and " +
      "from the checkpoint that comes with the tool, plot the loss, and compare the devices.",
    flags: demoFlags,
    examples: [
      ["tessera demo", "about three minutes on two CPU cores"],
      ["tessera demo --seconds 600", "train longer, for better pictures"],
    ],
    run: async ({ values }) => {
      const { runDemo } = await import("./run_demo.ts");
      await runDemo(io, values);
    },
  });
}
