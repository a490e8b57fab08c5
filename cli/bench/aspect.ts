/**
 * `tessera bench aspect`: what is training on pictures as they are worth?
 *
 * @module
 */
import type { Command } from "commander";
import { UsageError } from "../terminal/errors.ts";
import { define } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";
import { aspectFlags, studyDefaults } from "./aspect_flags.ts";

/** Builds the command. */
export function aspectCommand(io: Io): Command {
  return define({
    name: "aspect",
    summary: "train on pictures as they are and as squares, at equal compute",
    flags: aspectFlags,
    examples: [
      [
        "tessera bench aspect --steps 400 --results-dir study --out aspect.png",
        "three seeds each on the shipped pictures; interrupted, it goes on where it stopped",
      ],
    ],
    run: async ({ values, given }) => {
      if (values.out !== undefined && !/\.(?:svg|png)$/.test(values.out)) {
        throw new UsageError(`--out ${values.out}: the ending must be .svg or .png`);
      }
      const { runAspect } = await import("./run_aspect.ts");
      await runAspect(io, { ...studyDefaults, ...values }, given);
    },
  });
}
