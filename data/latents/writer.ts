/**
 * Writing a cache of latents: file after file, each whole or not there, so that what is killed at any
 * moment is continued where it was.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { makeFolder } from "../../formats/files/folder.ts";
import { InputError } from "../../base/errors.ts";
import { removeTemporaries, writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { lockFolder } from "../../formats/files/folder_lock.ts";
import { type TensorToWrite, writeSafetensors } from "../../formats/tensors/safetensors.ts";
import { logVarianceBounds } from "../../nn/posterior.ts";
import { namesMetadata } from "../sample_names.ts";
import {
  type CacheDescription,
  cachedPictures,
  type CacheManifest,
  cacheManifestPath,
  type CacheShard,
  isLatentCache,
  type LatentSums,
  normalizationOf,
  positionsOf,
  readCacheManifest,
  samplesOf,
  statisticsOf,
  storedChannels,
  storedShape,
} from "./cache.ts";
import { openShard, placeMetadata } from "./shard.ts";

/** The latents of some pictures or clips, in their order. */
export interface EncodedSamples {
  /** (n, stored channels, h, w), of clips (n, stored channels, frames, h, w); row-major. */
  readonly latents: Float32Array;
  /** Those of the mirrored samples, if the cache has them. */
  readonly mirrored?: Float32Array;
  /** Classes. */
  readonly labels: Int32Array;
  /** What they are called, where that tells which text is theirs. */
  readonly names?: readonly string[];
  /** Frames a second of clips. */
  readonly rates?: readonly number[];
}

/** Adds files to a cache, which no other process does meanwhile. */
export class CacheWriter implements Disposable {
  readonly #folder: string;
  readonly #lock: Disposable;
  #manifest: CacheManifest;

  private constructor(folder: string, lock: Disposable, manifest: CacheManifest) {
    this.#folder = folder;
    this.#lock = lock;
    this.#manifest = manifest;
  }

  /**
   * Begins a cache, or goes on with one of the same description.
   *
   * @throws InputError when the folder holds something else, naming what differs, or another process
   * writes to it
   */
  static async open(folder: string, description: CacheDescription): Promise<CacheWriter> {
    await makeFolder(folder);
    const lock = await lockFolder(folder, "encodes into this folder");
    try {
      const writer = new CacheWriter(folder, lock, await begunCache(folder, description));
      // One that was whole stays so for its readers.
      if (writer.samples === 0) await writer.#save();
      return writer;
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Samples that are in whole files. */
  get samples(): number {
    return cachedPictures(this.#manifest);
  }

  /** Samples of the next file; 0 when all are there. */
  get next(): number {
    return nextPictures(this.#manifest);
  }

  /**
   * Writes the next file.
   *
   * @throws InputError when a number is beyond half precision in a cache of that
   */
  async add(encoded: EncodedSamples): Promise<void> {
    const { type, shards } = this.#manifest;
    const { labels, names, rates } = encoded;
    const metadata = {
      ...placeMetadata(this.samples),
      ...(names && namesMetadata(names)),
      ...(rates && { fps: JSON.stringify(rates) }),
    };
    const shape = storedShape(this.#manifest, labels.length);
    const planes = [["latents", encoded.latents], ["mirrored", encoded.mirrored]] as const;
    const tensors = planes.flatMap(([name, values]): TensorToWrite[] =>
      values ? [{ name, type, shape, data: storedBytes(values, type, this.#folder) }] : []
    );
    const file = `${contentHash(tensors, labels, metadata)}.safetensors`;
    const record = await writeSafetensors(
      join(this.#folder, file),
      [...tensors, { name: "labels", type: "I32", shape: [labels.length], data: labels }],
      metadata,
    );
    const sums = sumsOf(this.#manifest, planes.flatMap(([, values]) => values ?? []));
    const shard: CacheShard = { file, pictures: labels.length, record, sums };
    this.#manifest = { ...this.#manifest, shards: [...shards, shard] };
    await this.#save();
  }

  /**
   * Ends a cache whose files are all there.
   *
   * @param scalingFactor of the autoencoder, if it has one
   */
  async finish(scalingFactor?: number): Promise<CacheManifest> {
    const statistics = statisticsOf(this.#manifest);
    const normalization = normalizationOf(statistics, scalingFactor);
    this.#manifest = { ...this.#manifest, statistics, normalization };
    await this.#save();
    return this.#manifest;
  }

  /** Lets other processes write. */
  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }

  async #save(): Promise<void> {
    const text = `${JSON.stringify(this.#manifest, null, 2)}\n`;
    await writeTextAtomically(cacheManifestPath(this.#folder), text);
  }
}

/** What a folder has of a cache: the files that are whole, or none of a new one. */
async function begunCache(folder: string, description: CacheDescription): Promise<CacheManifest> {
  if (await isLatentCache(folder)) {
    const manifest = await readCacheManifest(folder);
    requireSame(folder, manifest, description);
    await removeTemporaries(folder, () => true);
    return await wholePart(folder, description, manifest.shards);
  }
  for await (const { name } of Deno.readDir(folder)) {
    throw new InputError(
      `${folder}: is no cache of latents and holds ${name}; give a new folder`,
    );
  }
  return { ...description, shards: [] };
}

/** What must be the same for a cache to be continued, with the words for it. */
const identity = (
  samples: string,
): readonly (readonly [string, (cache: CacheDescription) => unknown])[] => [
  ["autoencoder", ({ autoencoder }) => autoencoder.hash],
  [`size of ${samples}`, ({ pixels }) => pixels],
  ["size of latents", ({ latent }) => latent],
  [`set of ${samples}`, ({ source }) => source.fingerprint],
  ["frame rate", ({ source }) => source.fps],
  [`choice of mirrored ${samples}`, ({ mirrored }) => mirrored],
  ["type of numbers", ({ type }) => type],
  [`number of ${samples} a file`, ({ shardLength }) => shardLength],
];

/** Refuses to go on with a cache of something else. */
function requireSame(folder: string, found: CacheDescription, wanted: CacheDescription): void {
  for (const [what, of] of identity(samplesOf(found))) {
    const [before, now] = [found, wanted].map((cache) => JSON.stringify(of(cache)));
    if (before === now) continue;
    throw new InputError(
      `${folder}: was begun with another ${what} (${before}), not ${now}; give a new folder`,
    );
  }
}

/** The files of a cache up to the first that is not there as it is written. */
async function wholePart(
  folder: string,
  description: CacheDescription,
  shards: readonly CacheShard[],
): Promise<CacheManifest> {
  const found: CacheShard[] = [];
  const part = { ...description, shards: found };
  for (const shard of shards) {
    if (shard.pictures !== nextPictures(part) || !await isWhole(folder, part, shard)) break;
    found.push(shard);
  }
  return part;
}

/** Pictures of the file behind those that are there; 0 behind the last. */
const nextPictures = (manifest: CacheManifest): number =>
  Math.min(manifest.shardLength, manifest.source.pictures - cachedPictures(manifest));

/** Whether a file is as written behind a part of the cache. Reads all of it: far less work than to make it. */
async function isWhole(
  folder: string,
  part: CacheManifest,
  shard: CacheShard,
): Promise<boolean> {
  try {
    using file = await openShard(folder, part, shard, cachedPictures(part));
    file.checkContents();
    return true;
  } catch (error) {
    if (error instanceof InputError || error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Numbers as they are stored. */
function storedBytes(values: Float32Array, type: CacheDescription["type"], folder: string) {
  if (type === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const halves = Float16Array.from(values);
  const lost = halves.findIndex((value) => !Number.isFinite(value));
  if (lost < 0) return new Uint8Array(halves.buffer);
  throw new InputError(
    `${folder}: a latent is ${values[lost]}, which is beyond half precision; use --dtype f32`,
  );
}

function contentHash(
  tensors: readonly TensorToWrite[],
  labels: Int32Array,
  metadata: Readonly<Record<string, string>>,
): string {
  const hash = createHash("sha256");
  for (const text of Object.values(metadata)) hash.update(text);
  for (const { name, type, shape, data } of tensors) {
    hash.update(JSON.stringify([name, type, shape])).update(data as Uint8Array);
  }
  return hash.update(labels).digest("hex").slice(0, 32);
}

/** Sums of latents, and of the expected squares of what training draws. */
function sumsOf(
  { latent, posterior }: CacheDescription,
  parts: readonly Float32Array[],
): LatentSums {
  const values = new Float64Array(latent.channels);
  const squares = new Float64Array(latent.channels);
  const plane = positionsOf(latent);
  const stored = storedChannels({ latent, posterior }) * plane;
  const { least, greatest } = logVarianceBounds;
  const variance = (logarithm: number) => Math.exp(Math.min(Math.max(logarithm, least), greatest));
  for (const part of parts) {
    for (let picture = 0; picture < part.length; picture += stored) {
      for (let index = 0; index < latent.channels * plane; index++) {
        const channel = Math.floor(index / plane);
        const value = part[picture + index];
        values[channel] += value;
        squares[channel] += value ** 2;
        if (posterior) {
          squares[channel] += variance(part[picture + latent.channels * plane + index]);
        }
      }
    }
  }
  return { values: [...values], squares: [...squares] };
}
