/**
 * Flags of `tessera encode vae`.
 *
 * @module
 */
import { checkpointPlace } from "../../flags/checkpoint_place.ts";
import { encodeFlags } from "../../flags/encode_flags.ts";
import { flag, group, optional, type Values } from "../../flags/flags.ts";
import { choice, integer, text } from "../../flags/parsers.ts";

const count = integer({ min: 1 });

/** The autoencoder of a command. */
export const autoencoderFlags = group("Autoencoder:", {
  ckpt: optional(
    "--ckpt <path>",
    "run folder, checkpoint folder, folder of diffusers, weights file with --config, or shipped:NAME; " +
      "of a model of latents, its autoencoder",
    checkpointPlace,
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
  }),
  ...encodeFlags("pictures", 8),
} as const;

/** What `encode vae` was asked to do. */
export type EncodeVaeOptions = Values<typeof encodeVaeFlags>;
