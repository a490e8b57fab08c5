/**
 * `tessera bench aspect`: what is training on pictures as they are worth?
 *
 * @module
 */
import type { Command } from "commander";
import { UsageError } from "../terminal/errors.ts";
import { define, flag, group, optional, type Values } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";
import { integer, text } from "../flags/parsers.ts";
import { navitTrainFlags } from "../families/navit/train_flags.ts";

const { aspect: _, resume: __, initFrom: ___, dryRun: ____, ...trainingFlags } = navitTrainFlags;

/** The flags of `train navit` that a study leaves open, and its own. */
const aspectFlags = {
  ...group("Study:", {
    seeds: flag("--seeds <n>", "runs of each kind", integer({ min: 1, max: 100 }), 3),
    points: flag("--points <n>", "evaluations of a run", integer({ min: 1, max: 100 }), 4),
    evalTokens: optional(
      "--eval-tokens <n>",
      "tokens of a test picture",
      integer({ min: 1 }),
      "those of the largest resolution",
    ),
    chart: optional("--chart <file>", "where to draw accuracy against compute: .svg or .png", text),
  }),
  ...trainingFlags,
};

/** Builds the command. */
export function aspectCommand(io: Io): Command {
  return define({
    name: "aspect",
    summary: "train on pictures as they are and as squares, at equal compute",
    flags: aspectFlags,
    examples: [
      [
        "tessera bench aspect --steps 400 --results-dir study --chart aspect.png",
        "three seeds each on the shipped pictures; interrupted, it goes on where it stopped",
      ],
    ],
    run: async ({ values, given }) => {
      if (values.chart !== undefined && !/\.(?:svg|png)$/.test(values.chart)) {
        throw new UsageError(`--chart ${values.chart}: the ending must be .svg or .png`);
      }
      const { runAspect } = await import("./run_aspect.ts");
      await runAspect(io, { ...navitDefaults, ...values }, given);
    },
  });
}

/** Values of the flags that a study decides itself. */
const navitDefaults = {
  aspect: "native",
  resume: undefined,
  initFrom: undefined,
  dryRun: false,
} as const;

/** What `bench aspect` was asked to do. */
export type AspectOptions = typeof navitDefaults & Values<typeof aspectFlags>;
