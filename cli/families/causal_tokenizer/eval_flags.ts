/**
 * Flags of `tessera eval tokenizer`.
 *
 * @module
 */
import { flag, group, optional, type Values } from "../../flags/flags.ts";
import { deviceFlags, progressFlags } from "../../flags/options.ts";
import { choice, integer, text } from "../../flags/parsers.ts";
import { reportFlags } from "../../bench/sweep.ts";
import { tokenizerDataFlags, tokenizerFlags } from "./source_flags.ts";

/** Every flag of `eval tokenizer`. */
export const evalTokenizerFlags = {
  ...tokenizerFlags,
  ...tokenizerDataFlags,
  ...group("Data:", {
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
