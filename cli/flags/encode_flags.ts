/**
 * Flags of `tessera encode`, whatever encodes.
 *
 * @module
 */
import { flag, group, optional, toggle, type Values } from "./flags.ts";
import { deviceFlags, progressFlags } from "./options.ts";
import { choice, integer, text } from "./parsers.ts";

const count = integer({ min: 1 });

/**
 * The flags with the words and the default of a family.
 *
 * @param samples what is encoded, such as "pictures"
 * @param batchSize how many at a time, unless told
 */
export const encodeFlags = (samples: string, batchSize: number) => ({
  ...group("Data:", {
    flips: toggle("--flips", `encode the mirrored ${samples} too, for train --flip`),
  }),
  ...group("Output:", {
    out: optional("--out <folder>", "where the cache goes; one that was begun is continued", text),
    dtype: flag(
      "--dtype <f32|f16>",
      "how latents are stored; f16 takes half the space",
      choice("f32", "f16"),
      "f32",
    ),
    shardLength: flag("--shard-length <n>", `${samples} of a file`, count, 1024),
    batchSize: flag("--batch-size <n>", `${samples} at a time`, count, batchSize),
  }),
  ...deviceFlags,
  ...progressFlags,
});

/** Values of {@link encodeFlags}. */
export type EncodeValues = Values<ReturnType<typeof encodeFlags>>;
