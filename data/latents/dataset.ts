/**
 * A cache of latents as a data set.
 *
 * @module
 */
import { basename, join, resolve } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { openSafetensors, type TensorReader } from "../../formats/tensors/safetensors.ts";
import type { ImageDataset } from "../dataset.ts";
import {
  cachedPictures,
  cacheFingerprint,
  type CacheManifest,
  type LatentSettings,
  positionsOf,
  readCacheManifest,
  storedChannels,
} from "./cache.ts";

/** Latents of labelled pictures. What is read of each is the posterior, where the cache has that. */
export interface LatentDataset extends ImageDataset {
  /** What the cache says about itself. */
  readonly cache: CacheManifest;
  /** What a run keeps of it. */
  readonly latents: LatentSettings;
}

/** Whether a data set is a cache of latents. */
export const isLatentDataset = (dataset: ImageDataset): dataset is LatentDataset =>
  "latents" in dataset;

/**
 * Opens a cache. Latents are read from its files when they are asked for.
 *
 * @throws InputError when it is not whole yet, or a file is damaged
 */
export async function openLatentCache(folder: string): Promise<LatentDataset> {
  const manifest = await readCacheManifest(folder);
  const { shards, source, normalization, posterior, latent, mirrored, autoencoder } = manifest;
  if (normalization === undefined) {
    throw new InputError(
      `${folder}: is not whole: ${cachedPictures(manifest)} of ${source.pictures} pictures are ` +
        "encoded; the same encode command goes on with it",
    );
  }
  const files: TensorReader[] = [];
  for (const { file, record } of shards) {
    files.push(await openSafetensors(join(folder, file), record));
  }
  const labels = Int32Array.from(files.flatMap((file) => [...file.readInt32("labels")]));
  const channels = storedChannels({ latent, posterior });
  const length = channels * positionsOf(latent);
  const { shardLength } = manifest;
  const count = source.pictures;
  return {
    name: basename(resolve(folder)),
    length: count,
    channels,
    frames: latent.frames,
    height: latent.height,
    width: latent.width,
    classNames: manifest.classNames,
    fingerprint: cacheFingerprint(manifest),
    cache: manifest,
    latents: { autoencoder, posterior, ...normalization },
    mirrorOf: mirrored ? (index) => index + count : undefined,
    label: (index) => labels[index % count],
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
