/**
 * `tessera plot`: the curves of training runs.
 *
 * @module
 */
import type { Command } from "commander";
import { checkpointPlace } from "../flags/checkpoint_place.ts";
import { define, flag, group, optional } from "../flags/flags.ts";
import { list, type Parser, text } from "../flags/parsers.ts";
import { UsageError } from "../terminal/errors.ts";
import type { Io } from "../terminal/io.ts";

/** A file whose ending says its format. */
const plotFile: Parser<string> = (value, name) => {
  if (/\.(?:svg|png|html)$/.test(value)) return value;
  throw new UsageError(`${name} ${value}: the ending must be .svg, .png or .html`);
};

const plotFlags = {
  ...group("Plot:", {
    out: flag(
      "--out <file>",
      "where to draw: .svg or .png of one measure, .html with one chart each",
      plotFile,
      "loss.svg",
    ),
    measure: optional(
      "--measure <list>",
      "what to draw, as it is called in metrics.jsonl: loss, gradientNorm, imagesPerSecond, ...",
      list(text),
      "loss; everything in .html",
    ),
  }),
} as const;

/** Builds `tessera plot`. */
export function command(io: Io): Command {
  return define({
    name: "plot",
    summary: "draw the curves of training runs",
    description:
      "Draw what training runs have logged, at any time: of one run the loss as logged " +
      "and smoothed, of several runs one line each.",
    operands: "<run...>",
    flags: plotFlags,
    examples: [
      ["tessera plot results/000-DiT-XS-4", "the loss of a run, to loss.svg"],
      [
        "tessera plot results/000-DiT-XS-4 results/001-DiT-XS-4 --out loss.png",
        "two runs in one picture",
      ],
      ["tessera plot results/0* --out runs.html", "everything they measured, on one page"],
    ],
    run: async ({ values }, runs) => {
      const { plotRuns } = await import("./plot_runs.ts");
      await plotRuns(io, values, runs.map((run) => checkpointPlace(run, "plot")));
    },
  });
}
