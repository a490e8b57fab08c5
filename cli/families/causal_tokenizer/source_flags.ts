/**
 * Flags of commands that take a trained tokenizer, and clips for it.
 *
 * @module
 */
import { checkpointPlace } from "../../flags/checkpoint_place.ts";
import { clipDataFlags } from "../../flags/clip_data_flags.ts";
import { flag, group, optional, toggle, type Values } from "../../flags/flags.ts";
import { choice, integer, text } from "../../flags/parsers.ts";

/** The tokenizer. */
export const tokenizerFlags = group("Model:", {
  ckpt: optional(
    "--ckpt <path>",
    "run, checkpoint, safetensors file of weights, or shipped:NAME; of a model of latents, its tokenizer",
    checkpointPlace,
  ),
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
});

/** Values of {@link tokenizerFlags}. */
export type TokenizerFlags = Values<typeof tokenizerFlags>;

const { previewData: _, ...clipFlags } = clipDataFlags;

/** The clips, as they were in the run unless told. */
export const tokenizerDataFlags = {
  ...group("Data:", {
    dataPath: optional("--data-path <path>", "clips or pictures", text, "those of the run"),
    trim: toggle("--trim", "cut clips to the most frames that the tokenizer takes"),
  }),
  ...clipFlags,
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
} as const;

/** Values of {@link tokenizerDataFlags}. */
export type TokenizerDataFlags = Values<typeof tokenizerDataFlags>;
