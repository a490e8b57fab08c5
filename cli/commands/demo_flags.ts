/**
 * Flags of `tessera demo`, the same for every family.
 *
 * @module
 */
import { flag, group, type Values } from "../flags/flags.ts";
import { deviceFlags, progressFlags, seedFlags } from "../flags/options.ts";
import { integer, text } from "../flags/parsers.ts";

/** Flags of a demo that trains for so many seconds unless told. */
export function demoFlags(seconds: number) {
  return {
    ...group("Demo:", {
      seconds: flag(
        "--seconds <n>",
        "how long the small model is trained",
        integer({ min: 5, max: 36000 }),
        seconds,
      ),
      resultsDir: flag("--results-dir <folder>", "where the run folder is made", text, "results"),
    }),
    ...seedFlags,
    ...deviceFlags,
    ...progressFlags,
  } as const;
}

/** What a demo was asked to do. */
export type DemoOptions = Values<ReturnType<typeof demoFlags>>;
