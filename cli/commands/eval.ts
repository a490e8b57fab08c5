/**
 * `tessera eval`: how good a trained model is.
 *
 * @module
 */
import { Command } from "commander";
import { evalNaViTFlags } from "../families/navit/eval_flags.ts";
import { define } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";

/** Builds `tessera eval`. */
export function command(io: Io): Command {
  return new Command("eval")
    .description("Measure how good a trained model is.")
    .addCommand(define({
      name: "navit",
      summary: "accuracy, calibration and cost of vision transformers at any resolution",
      description:
        "Accuracy (top-1, top-5, by class), calibration, cost, cascades, robustness and " +
        "linear probes of trained NaViTs, at token budgets, resolutions, squares and native sizes.",
      flags: evalNaViTFlags,
      examples: [
        ["tessera eval navit", "the runs in results/, on the test part of their data"],
        [
          "tessera eval navit --checkpoint results/000-NaViT-XS-8 --tokens 16,64,144 " +
          "--results-file report.html",
          "one run, with plots",
        ],
        ["tessera eval navit --square 64 --native --padded --robustness --probe", "everything"],
      ],
      run: async ({ values }) => {
        const { runEvalNaViT } = await import("../families/navit/eval.ts");
        await runEvalNaViT(io, values);
      },
    }));
}
