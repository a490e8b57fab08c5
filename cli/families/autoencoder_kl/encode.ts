/**
 * `tessera encode vae`: pictures to a cache of posteriors.
 *
 * @module
 */
import type { ImageDataset } from "../../../data/dataset.ts";
import { openDataset } from "../../../data/open.ts";
import { checkPictures } from "../../../models/autoencoder_kl/run.ts";
import type { AutoencoderKLWeights } from "../../../models/autoencoder_kl/source.ts";
import type { CachedLatents } from "../../../models/encode.ts";
import { recordedPlace } from "../../flags/run_file.ts";
import { requireOut, runEncode } from "../../runs/encode.ts";
import { opened, placeOf } from "../../runs/prepare.ts";
import type { Io } from "../../terminal/io.ts";
import type { EncodeVaeOptions } from "./encode_flags.ts";
import { autoencoderOf, latentSides, openCoder } from "./source.ts";
import { shippedPictures } from "./train.ts";

/** Encodes pictures. */
export async function runEncodeVae(io: Io, values: EncodeVaeOptions): Promise<void> {
  requireOut(values);
  const { quiet, imageSize, dataPath, tile } = values;
  const weights = await autoencoderOf(values);
  const { channels, scalingFactor } = weights.config;
  const place = placeOf({ shipped: shippedPictures }, dataPath);
  const dataset = await opened(
    io,
    quiet,
    (events) => openDataset(place, { imageSize, channels, ...events }),
  );
  checkPictures(weights.config, dataset);
  await runEncode(io, values, {
    dataset,
    dataPath: recordedPlace(dataPath ?? shippedPictures.name),
    latents: latentsOf(weights, dataset),
    scalingFactor,
    open: (device, batch) => openCoder(device, weights, dataset, { half: "encode", batch, tile }),
  });
}

/** What the latents of pictures are. */
function latentsOf(
  { config, path, hash }: AutoencoderKLWeights,
  dataset: ImageDataset,
): CachedLatents {
  return {
    autoencoder: { config, path, hash },
    latent: { channels: config.latentChannels, ...latentSides(config, dataset) },
    posterior: true,
  };
}
