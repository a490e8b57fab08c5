/**
 * Flags of `tessera eval vae`.
 *
 * @module
 */
import { group, optional, type Values } from "../../flags/flags.ts";
import { integer, text } from "../../flags/parsers.ts";
import { reconstructionFlags } from "../../flags/reconstruction_flags.ts";
import { autoencoderFlags, tileFlags } from "./encode_flags.ts";

/** Every flag of `eval vae`. */
export const evalVaeFlags = {
  ...autoencoderFlags,
  ...tileFlags,
  ...group("Data:", {
    dataPath: optional("--data-path <path>", "pictures", text, "those of the run"),
    imageSize: optional(
      "--image-size <pixels>",
      "side of the pictures; others are centre-cropped",
      integer({ min: 1, max: 65536 }),
      "as in the run",
    ),
  }),
  ...reconstructionFlags("pictures"),
} as const;

/** What `eval vae` was asked to do. */
export type EvalVaeOptions = Values<typeof evalVaeFlags>;
