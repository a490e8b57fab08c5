/**
 * Flags of families whose samples are clips.
 *
 * @module
 */
import { group, optional } from "../flags/flags.ts";
import { integer } from "../flags/parsers.ts";

/** The clips that models are counted and timed on; their sides are those of `--image-size`. */
export const clipFlags = group("Model:", {
  frames: optional(
    "--frames <n>",
    "frames of a clip; with time taken in steps of s, 1 + a multiple of s",
    integer({ min: 1, max: 65536 }),
    "the usual ones",
  ),
});
