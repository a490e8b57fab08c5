/**
 * Flags of `tessera eval tokenizer`.
 *
 * @module
 */
import type { Values } from "../../flags/flags.ts";
import { reconstructionFlags } from "../../flags/reconstruction_flags.ts";
import { tokenizerDataFlags, tokenizerFlags } from "./source_flags.ts";

/** Every flag of `eval tokenizer`. */
export const evalTokenizerFlags = {
  ...tokenizerFlags,
  ...tokenizerDataFlags,
  ...reconstructionFlags("clips"),
} as const;

/** What `eval tokenizer` was asked to do. */
export type EvalTokenizerOptions = Values<typeof evalTokenizerFlags>;
