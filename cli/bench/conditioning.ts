/**
 * `tessera bench conditioning`: which design of a DiT block learns best?
 *
 * @module
 */
import type { Command } from "commander";
import { define } from "../flags/flags.ts";
import { UsageError } from "../terminal/errors.ts";
import type { Io } from "../terminal/io.ts";
import { conditioningFlags, studyDefaults } from "./conditioning_flags.ts";

/** Builds the command. */
export function conditioningCommand(io: Io): Command {
  return define({
    name: "conditioning",
    summary: "train the four designs of a DiT block at equal steps and seeds",
    description: "Train the four designs of a DiT block (in-context, cross-attention, adaLN, " +
      "adaLN-Zero) at equal steps and seeds, and compare loss and Frechet distance step by step, " +
      "as in figure 5 of the paper.\n\n" +
      "Runs are ordinary run folders; a study that was stopped goes on where it was.",
    flags: conditioningFlags,
    examples: [
      [
        "tessera bench conditioning --steps 400 --results-dir study --out study.svg",
        "the losses on the shipped pictures",
      ],
      [
        "tessera bench conditioning --features results/000-NaViT-XS-16 --eval-every 500 " +
        "--results-dir study --out study.svg",
        "Frechet distances by the features of a classifier of yours",
      ],
    ],
    run: async ({ values, given }) => {
      if (values.out !== undefined && !/.\.(?:svg|png|html)$/i.test(values.out)) {
        throw new UsageError(`--out ${values.out}: the ending must be .svg, .png or .html`);
      }
      const { runConditioning } = await import("./run_conditioning.ts");
      await runConditioning(io, { ...studyDefaults, ...values }, given);
    },
  });
}
