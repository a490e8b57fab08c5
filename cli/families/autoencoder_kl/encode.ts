/**
 * `tessera encode vae`: pictures to a cache of posteriors.
 *
 * @module
 */
import type { ImageDataset } from "../../../data/dataset.ts";
import { openDataset } from "../../../data/open.ts";
import type { Device } from "../../../kernels/device.ts";
import { PictureCoder } from "../../../models/autoencoder_kl/codec.ts";
import { spatialFactor } from "../../../models/autoencoder_kl/model.ts";
import { checkPictures } from "../../../models/autoencoder_kl/run.ts";
import type { AutoencoderKLWeights } from "../../../models/autoencoder_kl/source.ts";
import type { CachedLatents } from "../../../models/encode.ts";
import { type OpenEncoder, requireOut, runEncode } from "../../runs/encode.ts";
import { recordedPlace } from "../../flags/run_file.ts";
import { opened, placeOf } from "../../runs/prepare.ts";
import type { Io } from "../../terminal/io.ts";
import type { EncodeVaeOptions } from "./encode_flags.ts";
import { autoencoderOf, codingOf } from "./source.ts";
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
    open: (device, batch) => openEncoder(device, weights, dataset, { batch, tile }),
  });
}

/** What the latents of pictures are. */
function latentsOf(
  { config, path, hash }: AutoencoderKLWeights,
  { height, width }: ImageDataset,
): CachedLatents {
  const factor = spatialFactor(config);
  return {
    autoencoder: { config, path, hash },
    latent: { channels: config.latentChannels, height: height / factor, width: width / factor },
    posterior: true,
  };
}

async function openEncoder(
  device: Device,
  weights: AutoencoderKLWeights,
  dataset: ImageDataset,
  { batch, tile }: { readonly batch: number; readonly tile: number | undefined },
): Promise<OpenEncoder> {
  const { config, path, values } = weights;
  const { latent: size } = latentsOf(weights, dataset);
  const { settings, note } = await codingOf(config, { half: "encode", batch, size }, device, tile);
  const coder = await PictureCoder.create(device, config, settings, values);
  return {
    ...{ path, note, batch: settings.batch },
    run: (pictures, between) => coder.run(pictures, between),
    [Symbol.dispose]: () => coder[Symbol.dispose](),
  };
}
