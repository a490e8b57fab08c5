/**
 * Flags of `tessera eval clips`.
 *
 * @module
 */
import { reportFlags } from "../bench/sweep.ts";
import { clipDataFlags } from "../flags/clip_data_flags.ts";
import { flag, group } from "../flags/flags.ts";
import { deviceFlags, progressFlags } from "../flags/options.ts";
import { choice, integer } from "../flags/parsers.ts";
import { featureFlags } from "./flags.ts";

const { previewData: _, ...clipFlags } = clipDataFlags;

/** Every flag of `eval clips`. */
export const evalClipsFlags = {
  ...group("Clips:", {
    count: flag(
      "--count <n>",
      "most clips that are measured, at equal distances where there are more",
      integer({ min: 4, max: 100_000_000 }),
      2048,
    ),
    split: flag(
      "--split <train|test>",
      "which part of a set that is divided",
      choice("train", "test"),
      "train",
    ),
  }),
  ...clipFlags,
  ...featureFlags,
  ...deviceFlags,
  ...progressFlags,
  ...reportFlags,
} as const;
