/**
 * Flags of `tessera encode vae`.
 *
 * @module
 */
import { flag, group, optional, toggle, type Values } from "../../flags/flags.ts";
import { deviceFlags, progressFlags } from "../../flags/options.ts";
import { choice, integer, text } from "../../flags/parsers.ts";

const count = integer({ min: 1 });

/** The autoencoder of a command. */
export const autoencoderFlags = group("Autoencoder:", {
  ckpt: optional(
    "--ckpt <path>",
    "run folder, checkpoint folder, folder of diffusers, or weights file with --config",
    text,
  ),
  config: optional("--config <name|file>", "model of a bare weights file: a name or JSON", text),
  weights: flag("--weights <ema|raw>", "averaged or raw weights", choice("ema", "raw"), "ema"),
});

/** Tiles of pictures that memory does not hold in one piece. */
export const tileFlags = group("Latents:", {
  tile: optional(
    "--tile <pixels>",
    "code pictures in blended tiles of this side",
    count,
    "in one piece where that fits into memory, which is exact, else the largest tiles that do",
  ),
});

/** Every flag of `encode vae`. */
export const encodeVaeFlags = {
  ...autoencoderFlags,
  ...tileFlags,
  ...group("Data:", {
    dataPath: optional(
      "--data-path <path>",
      "pictures: one folder a class, or an IDX file of images",
      text,
      "the shipped samples",
    ),
    imageSize: optional(
      "--image-size <pixels>",
      "side of the pictures; others are centre-cropped",
      integer({ min: 1, max: 65536 }),
      "as in the files",
    ),
    flips: toggle("--flips", "encode the mirrored pictures too, for train --flip"),
  }),
  ...group("Output:", {
    out: optional("--out <folder>", "where the cache goes; one that was begun is continued", text),
    dtype: flag(
      "--dtype <f32|f16>",
      "how latents are stored; f16 takes half the space",
      choice("f32", "f16"),
      "f32",
    ),
    shardLength: flag("--shard-length <n>", "pictures of a file", count, 1024),
    batchSize: flag("--batch-size <n>", "pictures at a time", count, 8),
  }),
  ...deviceFlags,
  ...progressFlags,
} as const;

/** What `encode vae` was asked to do. */
export type EncodeVaeOptions = Values<typeof encodeVaeFlags>;
