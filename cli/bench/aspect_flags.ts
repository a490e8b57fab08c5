/**
 * The flags of `tessera bench aspect`.
 *
 * @module
 */
import { alias, flag, group, optional, type Values } from "../flags/flags.ts";
import { integer, text } from "../flags/parsers.ts";
import { navitTrainFlags } from "../families/navit/train_flags.ts";

const { aspect: _, resume: __, initFrom: ___, dryRun: ____, ...trainingFlags } = navitTrainFlags;

/** The flags of `train navit` that a study leaves open, and its own. */
export const aspectFlags = {
  ...group("Study:", {
    seeds: flag("--seeds <n>", "runs of each kind", integer({ min: 1, max: 100 }), 3),
    points: flag("--points <n>", "evaluations of a run", integer({ min: 1, max: 100 }), 4),
    evalTokens: optional(
      "--eval-tokens <n>",
      "tokens of a test picture",
      integer({ min: 1 }),
      "those of the largest resolution",
    ),
    out: alias(
      optional("--out <file>", "where to draw accuracy against compute: .svg or .png", text),
      "--chart",
    ),
  }),
  ...trainingFlags,
};

/** Values of the flags that a study decides itself. */
export const studyDefaults = {
  aspect: "native",
  resume: undefined,
  initFrom: undefined,
  dryRun: false,
} as const;

/** What `bench aspect` was asked to do. */
export type AspectOptions = typeof studyDefaults & Values<typeof aspectFlags>;
