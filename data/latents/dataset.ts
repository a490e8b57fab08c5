/**
 * A cache of latents as a data set.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { TensorReader } from "../../formats/tensors/safetensors.ts";
import { elementCount } from "../../kernels/shape.ts";
import type { ImageDataset } from "../dataset.ts";
import { readNames } from "../sample_names.ts";
import {
  type CacheDescription,
  cachedPictures,
  cacheFingerprint,
  type CacheManifest,
  type LatentSettings,
  readCacheManifest,
  samplesOf,
  storedChannels,
  storedShape,
} from "./cache.ts";
import { openShard } from "./shard.ts";

/** Latents of labelled pictures. What is read of each is the posterior, where the cache has that. */
export interface LatentDataset extends ImageDataset {
  /** What the cache says about itself. */
  readonly cache: CacheManifest;
  /** What a run keeps of it. */
  readonly latents: LatentSettings;
  /** What a clip, or picture, is called, where the cache says. */
  clipName?(index: number): string;
}

/** Whether a data set is a cache of latents. */
export const isLatentDataset = (dataset: ImageDataset): dataset is LatentDataset =>
  "latents" in dataset;

/** Bytes of a cache up to which all of it is compared with its checksums when it is opened: some seconds. */
const checkedBytes = 2 ** 32;

/**
 * Opens a cache. Latents are read from its files when they are asked for; of a large cache damage to the
 * contents of a file is not noticed.
 *
 * @throws InputError when it is not whole yet, or a file is damaged
 */
export async function openLatentCache(folder: string): Promise<LatentDataset> {
  const manifest = await readCacheManifest(folder);
  const { source, normalization, posterior, latent, mirrored, autoencoder, shardLength } = manifest;
  if (normalization === undefined) {
    throw new InputError(
      `${folder}: is not whole: ${cachedPictures(manifest)} of ${source.pictures} ` +
        `${samplesOf(manifest)} are encoded; the same encode command goes on with it`,
    );
  }
  checkCounts(folder, manifest);
  const files: TensorReader[] = [];
  const bytes = manifest.shards.reduce((sum, { record }) => sum + record.bytes, 0);
  for (const [index, shard] of manifest.shards.entries()) {
    const file = await openShard(folder, manifest, shard, index * shardLength);
    files.push(file);
    if (bytes <= checkedBytes) file.checkContents();
  }
  const labels = Int32Array.from(files.flatMap((file) => [...file.readInt32("labels")]));
  const names = files.flatMap((file) => readNames(file, file.info("labels").shape[0]) ?? []);
  const [channels, length] = [storedChannels(manifest), elementCount(storedShape(manifest, 1))];
  const count = source.pictures;
  return {
    name: folder,
    length: count,
    channels,
    frames: latent.frames,
    height: latent.height,
    width: latent.width,
    classNames: manifest.classNames,
    fingerprint: cacheFingerprint(manifest),
    cache: manifest,
    latents: {
      ...{ autoencoder, posterior, ...normalization },
      ...(source.fps !== undefined && { fps: source.fps }),
    },
    mirrorOf: mirrored ? (index) => index + count : undefined,
    label: (index) => labels[index % count],
    clipName: names.length === count ? (index) => names[index % count] : undefined,
    read(indices, out) {
      if (out.length !== indices.length * length) {
        throw new RangeError(`${folder}: no room for ${indices.length} latents of ${length}`);
      }
      for (let position = 0; position < indices.length; position++) {
        const index = indices[position];
        if (!(index >= 0 && index < (mirrored ? 2 : 1) * count)) {
          throw new RangeError(`${folder}: no latent ${index}, there are ${count}`);
        }
        const picture = index % count;
        const name = index < count ? "latents" : "mirrored";
        const part = out.subarray(position * length, (position + 1) * length);
        const file = files[Math.floor(picture / shardLength)];
        file.readFloat32Part(name, picture % shardLength * length, part);
      }
    },
  };
}

/**
 * The latents that a cache will hold, for plans: they have their sizes and labels, and cannot be read.
 *
 * @param samples what will be encoded
 */
export function plannedLatents(
  description: CacheDescription,
  samples: ImageDataset & Pick<LatentDataset, "clipName">,
): LatentDataset {
  const { latent, autoencoder, posterior, source, classNames, mirrored } = description;
  const each = (value: number) => Array.from({ length: latent.channels }, () => value);
  return {
    name: samples.name,
    length: source.pictures,
    channels: storedChannels(description),
    frames: latent.frames,
    height: latent.height,
    width: latent.width,
    classNames,
    fingerprint: "",
    cache: { ...description, shards: [] },
    latents: { autoencoder, posterior, shift: each(0), scale: each(1) },
    mirrorOf: mirrored ? (index) => index + source.pictures : undefined,
    label: (index) => samples.label(index),
    clipName: samples.clipName,
    read() {
      throw new RangeError(`${samples.name}: its latents are planned, and not encoded yet`);
    },
  };
}

/** Refuses a description whose numbers contradict each other. */
function checkCounts(folder: string, manifest: CacheManifest): void {
  const { shards, shardLength, source } = manifest;
  const isCut = shards.slice(0, -1).every(({ pictures }) => pictures === shardLength);
  if (!isCut || cachedPictures(manifest) !== source.pictures) {
    throw new InputError(
      `${folder}: damaged: its files hold ${cachedPictures(manifest)} ` +
        `${samplesOf(manifest)}, not ` +
        `${source.pictures} in files of ${shardLength}`,
    );
  }
}
