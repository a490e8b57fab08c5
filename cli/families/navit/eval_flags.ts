/**
 * Flags of `tessera eval navit`. Names are timm's where it has the flag.
 *
 * @module
 */
import { checkpointPlace } from "../../flags/checkpoint_place.ts";
import { alias, flag, group, optional, toggle, type Values } from "../../flags/flags.ts";
import { activationFlags, deviceFlags, jsonFlags } from "../../flags/options.ts";
import { choice, integer, list, number, type Parser, text } from "../../flags/parsers.ts";
import { UsageError } from "../../terminal/errors.ts";

const count = integer({ min: 1, max: 65536 });
const side = number({ min: 1, max: 65536 });

/** A file whose ending says its format. */
const reportFile: Parser<string> = (value, name) => {
  if (/\.(?:json|csv|html|txt)$/.test(value)) return value;
  throw new UsageError(`${name} ${value}: the ending must be .html, .csv, .json or .txt`);
};

/** Every flag of `eval navit`. */
export const evalNaViTFlags = {
  ...group("Model:", {
    ckpt: alias(
      optional(
        "--ckpt <path>",
        "run, checkpoint, or folder of runs: then all of them",
        checkpointPlace,
        "results",
      ),
      "--checkpoint",
    ),
    weights: flag(
      "--weights <ema|raw>",
      "averaged weights, or those of the last step",
      choice("ema", "raw"),
      "ema",
    ),
  }),
  ...group("Data:", {
    dataPath: optional("--data-path <path>", "pictures", text, "those of the run"),
    split: optional(
      "--split <train|test>",
      "which part of them",
      choice("train", "test"),
      "test where there is one",
    ),
  }),
  ...group("Settings:", {
    tokens: optional(
      "--tokens <list>",
      "token budgets: pictures as large as fits",
      list(count),
      "a sixteenth of the run's sequence length up to all of it",
    ),
    resolution: optional("--resolution <list>", "effective resolutions, in pixels", list(side)),
    square: optional("--square <list>", "squashed squares, sides in pixels", list(side)),
    native: toggle("--native", "pictures at their own size, cut down to the largest budget"),
    padded: toggle(
      "--padded",
      "as --native with one picture a sequence, filled up: what packing is compared with",
    ),
    robustness: toggle("--robustness", "accuracy under shifts of resolution and aspect ratio"),
    probe: toggle("--probe", "linear probe on frozen features, in closed form"),
    shots: optional(
      "--shots <n>",
      "pictures a class for --probe",
      count,
      "10, or as many as the smallest class has",
    ),
  }),
  ...group("Batches:", {
    batchSize: flag("-b, --batch-size <n>", "sequences a batch", count, 8),
    sequenceLength: optional(
      "--sequence-length <tokens>",
      "tokens of a sequence",
      count,
      "the run's",
    ),
    workers: optional(
      "-j, --workers <n>",
      "threads that prepare pictures",
      integer({ min: 1, max: 64 }),
    ),
  }),
  ...group("Output:", {
    out: alias(
      optional(
        "--out <list>",
        "files to write the report to as well: .html with plots, .csv, .json, .txt",
        list(reportFile),
        "a table on stdout",
      ),
      "--results-file",
    ),
    quiet: toggle("-q, --quiet", "no progress, only warnings and errors"),
  }),
  ...jsonFlags,
  ...deviceFlags,
  ...activationFlags,
} as const;

/** What `eval navit` was asked to do. */
export type EvalNaViTOptions = Values<typeof evalNaViTFlags>;
