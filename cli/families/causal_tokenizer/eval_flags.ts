/**
 * Flags of `tessera eval tokenizer`.
 *
 * @module
 */
import { clipDataFlags } from "../../flags/clip_data_flags.ts";
import { flag, group, optional, toggle, type Values } from "../../flags/flags.ts";
import { deviceFlags, progressFlags } from "../../flags/options.ts";
import { choice, integer, text } from "../../flags/parsers.ts";
import { reportFlags } from "../../bench/sweep.ts";

/** Every flag of `eval tokenizer`. */
export const evalTokenizerFlags = {
  ...group("Model:", {
    ckpt: optional("--ckpt <path>", "run, checkpoint, or safetensors file of weights", text),
    config: optional(
      "--config <file|name>",
      "which model a file of weights is of, such as CausalTokenizer",
      text,
    ),
    weights: flag(
      "--weights <ema|raw>",
      "averaged weights of a run, or those of its last step",
      choice("ema", "raw"),
      "ema",
    ),
  }),
  ...group("Data:", {
    dataPath: optional("--data-path <path>", "clips or pictures", text, "those of the run"),
    split: optional(
      "--split <train|test>",
      "which part of them",
      choice("train", "test"),
      "test where there is one",
    ),
    count: flag(
      "--count <n>",
      "most clips that are looked at, spread evenly over all",
      integer({ min: 1, max: 1_000_000 }),
      64,
    ),
    trim: toggle("--trim", "cut clips to the most frames that the tokenizer takes"),
  }),
  ...clipDataFlags,
  ...group("Clips:", {
    frames: optional(
      "--frames <n>",
      "frames of a clip; 1 takes pictures",
      integer({ min: 1, max: 4096 }),
      "those of the run, or 17",
    ),
    crop: optional(
      "--crop <center|pad>",
      "how frames get their size: their middle, or all of them on black",
      choice("center", "pad"),
      "as in the run, or center",
    ),
  }),
  ...deviceFlags,
  ...progressFlags,
  ...reportFlags,
  ...group("Output:", {
    sheet: optional("--sheet <file>", "draw originals above their reconstructions, .png", text),
    shown: flag("--shown <n>", "clips on the sheet", integer({ min: 1, max: 12 }), 6),
  }),
} as const;

/** What `eval tokenizer` was asked to do. */
export type EvalTokenizerOptions = Values<typeof evalTokenizerFlags>;
