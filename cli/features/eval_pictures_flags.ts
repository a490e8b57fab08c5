/**
 * Flags of `tessera eval pictures`.
 *
 * @module
 */
import { reportFlags } from "../bench/sweep.ts";
import { flag, group, optional } from "../flags/flags.ts";
import { deviceFlags, progressFlags } from "../flags/options.ts";
import { choice, integer } from "../flags/parsers.ts";
import { featureFlags } from "./flags.ts";

/** Every flag of `eval pictures`. */
export const evalPicturesFlags = {
  ...group("Pictures:", {
    count: flag(
      "--count <n>",
      "most pictures that are measured, at equal distances where there are more",
      integer({ min: 4, max: 100_000_000 }),
      50_000,
    ),
    imageSize: optional(
      "--image-size <pixels>",
      "crop both sets to squares, as ADM and DiT do",
      integer({ min: 1, max: 65536 }),
      "as they are",
    ),
    split: flag(
      "--split <train|test>",
      "which part of a set that is divided",
      choice("train", "test"),
      "train",
    ),
  }),
  ...featureFlags,
  ...deviceFlags,
  ...progressFlags,
  ...reportFlags,
} as const;
