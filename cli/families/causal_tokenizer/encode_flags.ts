/**
 * Flags of `tessera encode tokenizer`.
 *
 * @module
 */
import { encodeFlags } from "../../flags/encode_flags.ts";
import type { Values } from "../../flags/flags.ts";
import { tokenizerDataFlags, tokenizerFlags } from "./source_flags.ts";

/** Every flag of `encode tokenizer`. */
export const encodeTokenizerFlags = {
  ...tokenizerFlags,
  ...tokenizerDataFlags,
  ...encodeFlags("clips", 4),
} as const;

/** What `encode tokenizer` was asked to do. */
export type EncodeTokenizerOptions = Values<typeof encodeTokenizerFlags>;
