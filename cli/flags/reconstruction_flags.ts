/**
 * Flags of `tessera eval` of codecs.
 *
 * @module
 */
import { reportFlags } from "../bench/sweep.ts";
import { flag, group, optional, type Values } from "./flags.ts";
import { deviceFlags, progressFlags } from "./options.ts";
import { choice, integer, pngFile } from "./parsers.ts";

/**
 * The flags with the words of a family.
 *
 * @param samples what is brought back, such as "pictures"
 */
export const reconstructionFlags = (samples: string) => ({
  ...group("Data:", {
    split: optional(
      "--split <train|test>",
      "which part of them",
      choice("train", "test"),
      "test where there is one",
    ),
    count: flag(
      "--count <n>",
      `most ${samples} that are looked at, spread evenly over all`,
      integer({ min: 1, max: 1_000_000 }),
      64,
    ),
  }),
  ...deviceFlags,
  ...progressFlags,
  ...reportFlags,
  ...group("Output:", {
    sheet: optional("--sheet <file>", "draw originals above their reconstructions, .png", pngFile),
    shown: flag("--shown <n>", `${samples} on the sheet`, integer({ min: 1, max: 12 }), 6),
  }),
});

/** Values of {@link reconstructionFlags}. */
export type ReconstructionValues = Values<ReturnType<typeof reconstructionFlags>>;
