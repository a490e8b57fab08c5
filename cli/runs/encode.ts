/**
 * `tessera encode` of any family: a data set becomes a cache of latents.
 *
 * @module
 */
import type { ClipCuts } from "../../data/clips/cuts.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import { type CacheManifest, samplesOf } from "../../data/latents/cache.ts";
import { CacheWriter } from "../../data/latents/writer.ts";
import type { Device } from "../../kernels/device.ts";
import { selectDevice } from "../../kernels/select_device.ts";
import type { SampleCoder } from "../../models/coder.ts";
import { cacheDescription, type CachedLatents, encodeDataset } from "../../models/encode.ts";
import type { EncodeValues } from "../flags/encode_flags.ts";
import { UsageError } from "../terminal/errors.ts";
import type { Io } from "../terminal/io.ts";
import { describePictures } from "../terminal/opening.ts";
import { Progress } from "../terminal/progress.ts";
import { watchSignals } from "../terminal/signals.ts";

/** Seconds between the lines of the progress where there is no terminal. */
const progressInterval = 10;

/** One direction of a codec in memory, and a line about how it works there. */
export interface OpenCoder extends SampleCoder, Disposable {
  readonly note: string;
}

/** What a family brings to an encoding. */
export interface Encoding {
  readonly dataset: ImageDataset;
  /** Where the data set is, as caches keep it. */
  readonly dataPath: string;
  /** How its clips are cut out of videos. */
  readonly cuts?: ClipCuts;
  /** Lines about the data set. */
  readonly notes?: readonly string[];
  /** The network and what its latents are. */
  readonly latents: CachedLatents;
  /** What latents are multiplied by, where the network is published with that. */
  readonly scalingFactor?: number;
  /** Takes the network into memory. */
  open(device: Device, batchSize: number): Promise<OpenCoder>;
}

/**
 * The folder of a cache.
 *
 * @throws UsageError where there is none
 */
export function requireOut({ out }: Pick<EncodeValues, "out">): string {
  if (out !== undefined) return out;
  throw new UsageError("--out is needed: a folder for the cache");
}

/** Encodes what is missing of a cache, shows how far that is, and prints its path. */
export async function runEncode(io: Io, values: EncodeValues, encoding: Encoding): Promise<void> {
  const out = requireOut(values);
  await encodeCache(io, { ...values, out }, encoding);
  io.out(out);
}

/** Encodes what is missing of a cache, and shows how far that is. */
export async function encodeCache(
  io: Io,
  values: EncodeValues & { readonly out: string },
  encoding: Encoding,
): Promise<void> {
  const { device, reason } = await selectDevice({ ...values, batchInvariant: true });
  // No more than a file of the cache has: the rest of a batch would be encoded for nothing.
  const { batchSize, shardLength } = values;
  const atOnce = Math.min(batchSize, shardLength, encoding.dataset.length);
  try {
    using encoder = await encoding.open(device, atOnce);
    const about = [
      `device: ${device.kind.name}, ${device.description} (${reason})`,
      `autoencoder: ${encoder.path}`,
      `data: ${describePictures(encoding.dataset)}`,
      ...encoding.notes ?? [],
      encoder.note,
    ];
    await encode(io, values, encoding, encoder, about);
  } finally {
    device.close();
  }
}

async function encode(
  io: Io,
  { out, flips: mirrored, dtype, shardLength, quiet }: EncodeValues & { readonly out: string },
  { dataset, dataPath, cuts, latents, scalingFactor }: Encoding,
  encoder: SampleCoder,
  about: readonly string[],
): Promise<void> {
  const type = dtype === "f16" ? "F16" : "F32";
  const choices = { dataPath, cuts, mirrored, type, shardLength } as const;
  using writer = await CacheWriter.open(out, cacheDescription(latents, dataset, choices));
  const samples = samplesOf(latents);
  const progress = new Progress(io, {
    noun: samples.slice(0, -1),
    total: dataset.length,
    start: writer.samples,
    columns: {},
    quiet,
    interval: progressInterval,
  });
  about.forEach((line) => progress.note(line));
  if (writer.samples > 0) progress.note(`goes on behind ${writer.samples} ${samples}`);
  using watch = watchSignals(io, "stopping");
  try {
    const manifest = await encodeDataset(encoder, dataset, writer, {
      mirrored,
      scalingFactor,
      signal: watch.signal,
      progress: (done) => progress.update(done),
    });
    progress.note(describeLatents(manifest));
  } finally {
    progress.end();
  }
}

/** What the latents are like. */
function describeLatents(
  { latent: { channels, frames, height, width }, statistics, normalization }: CacheManifest,
): string {
  const list = (values: readonly number[]) => values.map((value) => value.toFixed(3)).join(" ");
  const { mean, deviation } = statistics!;
  const sizes = [channels, ...(frames === undefined ? [] : [frames]), height, width];
  return `latents: ${sizes.join(" x ")}, mean ${list(mean)}, deviation ${list(deviation)}, ` +
    `scale ${list(normalization!.scale)}`;
}
