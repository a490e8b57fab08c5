/**
 * `tessera encode vae`: pictures to a cache of latents.
 *
 * @module
 */
import type { ImageDataset } from "../../../data/dataset.ts";
import { openDataset } from "../../../data/open.ts";
import type { CacheManifest } from "../../../data/latents/cache.ts";
import { CacheWriter } from "../../../data/latents/writer.ts";
import { type ChosenDevice, selectDevice } from "../../../kernels/select_device.ts";
import {
  cacheDescription,
  encodeDataset,
  latentSides,
} from "../../../models/autoencoder_kl/encode.ts";
import { checkPictures } from "../../../models/autoencoder_kl/run.ts";
import type { AutoencoderKLWeights } from "../../../models/autoencoder_kl/source.ts";
import { opened, placeOf, recordedPlace } from "../../runs/prepare.ts";
import { UsageError } from "../../terminal/errors.ts";
import type { Io } from "../../terminal/io.ts";
import { describePictures } from "../../terminal/opening.ts";
import { Progress } from "../../terminal/progress.ts";
import { watchSignals } from "../../terminal/signals.ts";
import type { EncodeVaeOptions } from "./encode_flags.ts";
import { autoencoderOf, codingOf } from "./source.ts";
import { shippedPictures } from "./train.ts";

/** Seconds between the lines of the progress where there is no terminal. */
const progressInterval = 10;

/** Encodes pictures. */
export async function runEncodeVae(io: Io, values: EncodeVaeOptions): Promise<void> {
  const { out, quiet, imageSize } = values;
  if (out === undefined) throw new UsageError("--out is needed: a folder for the cache");
  const weights = await autoencoderOf(values);
  const { channels } = weights.config;
  const place = placeOf({ shipped: shippedPictures }, values.dataPath);
  const dataset = await opened(
    io,
    quiet,
    (events) => openDataset(place, { imageSize, channels, ...events }),
  );
  checkPictures(weights.config, dataset);
  const chosen = await selectDevice({ ...values, batchInvariant: true });
  try {
    await encode(io, values, out, weights, dataset, chosen);
  } finally {
    chosen.device.close();
  }
  io.out(out);
}

/** Encodes what is missing of a cache, and shows how far that is. */
async function encode(
  io: Io,
  { dataPath, flips: mirrored, dtype, shardLength, batchSize: batch, tile, quiet }:
    EncodeVaeOptions,
  out: string,
  weights: AutoencoderKLWeights,
  dataset: ImageDataset,
  { device, reason }: ChosenDevice,
): Promise<void> {
  const size = latentSides(weights, dataset);
  const request = { half: "encode", batch, size } as const;
  const { settings, note } = await codingOf(weights.config, request, device, tile);
  const description = cacheDescription(weights, dataset, {
    dataPath: dataPath === undefined ? shippedPictures.name : recordedPlace(dataPath),
    mirrored,
    type: dtype === "f16" ? "F16" : "F32",
    shardLength,
  });
  const writer = await CacheWriter.open(out, description);
  const progress = new Progress(io, {
    noun: "picture",
    total: dataset.length,
    start: writer.pictures,
    columns: {},
    quiet,
    interval: progressInterval,
  });
  progress.note(`device: ${device.kind.name}, ${device.description} (${reason})`);
  progress.note(`autoencoder: ${weights.path}`);
  progress.note(`data: ${describePictures(dataset)}`);
  progress.note(note);
  if (writer.pictures > 0) progress.note(`goes on behind ${writer.pictures} pictures`);
  using watch = watchSignals(io, "stopping");
  try {
    const manifest = await encodeDataset(device, weights, dataset, writer, {
      coding: settings,
      mirrored,
      signal: watch.signal,
      progress: (pictures) => progress.update(pictures),
    });
    progress.note(describeLatents(manifest));
  } finally {
    progress.end();
  }
}

/** What the latents are like. */
function describeLatents(
  { latent: { channels, height, width }, statistics, normalization }: CacheManifest,
): string {
  const list = (values: readonly number[]) => values.map((value) => value.toFixed(3)).join(" ");
  const { mean, deviation } = statistics!;
  return `latents: ${channels} x ${height} x ${width}, mean ${list(mean)}, deviation ` +
    `${list(deviation)}, scale ${list(normalization!.scale)}`;
}
