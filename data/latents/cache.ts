/**
 * Caches of latents: what an autoencoder makes of pictures, computed once and trained on often.
 *
 * A cache is a folder of safetensors files, called after their contents, and `cache.json`, which says what
 * was encoded by which autoencoder and lists the files written so far. A file holds `latents`
 * (n, channels, h, w), for clips (n, channels, frames, h, w), and `labels` (n); with mirrored pictures
 * `mirrored` beside `latents`. Its metadata have `first`, the number of its first picture or clip (files of
 * older caches do not say it), and may have `names`, a JSON list of what the pictures or clips are
 * called, and `fps`, one of the rates of the clips.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import type { FileRecord } from "../../formats/files/checksum.ts";
import { readRegularText } from "../../formats/files/regular_file.ts";
import { checkFields, type FamilyConfig } from "../../nn/config.ts";
import { type ClipCuts, clipCutsSchema } from "../clips/cuts.ts";

/** Channels and sides of a picture, a clip or a latent. */
export interface PlaneSizes {
  /** Numbers at a position. */
  readonly channels: number;
  /** Of a clip; absent for a picture. */
  readonly frames?: number;
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
}

/** Positions of a channel. */
export const positionsOf = ({ frames = 1, height, width }: PlaneSizes): number =>
  frames * height * width;

/** The autoencoder that latents come from. */
export interface LatentAutoencoder {
  /** Its size and shape. */
  readonly config: FamilyConfig;
  /** Path of its weights when the cache was begun. */
  readonly path: string;
  /** Identifies its encoder. */
  readonly hash: string;
}

/** What decides every latent of a cache, and where it comes from. */
export interface CacheDescription {
  /** Marks the file. */
  readonly format: "tessera-latents";
  /** Version of the layout. */
  readonly version: 1;
  /** What has encoded. */
  readonly autoencoder: LatentAutoencoder;
  /** What was encoded. */
  readonly source: {
    /** Path of the pictures when the cache was begun. */
    readonly path: string;
    /** Identifies the pictures, their size and labels. */
    readonly fingerprint: string;
    /** How many there are. */
    readonly pictures: number;
    /** Frames a second of clips: the median, where they differ. */
    readonly fps?: number;
    /** How clips were cut out of videos. */
    readonly cuts?: ClipCuts;
  };
  /** Names in the order of the labels. */
  readonly classNames: readonly string[];
  /** Channels and sides of the pictures. */
  readonly pixels: PlaneSizes;
  /** Channels and sides of the latents. */
  readonly latent: PlaneSizes;
  /**
   * Whether the moments of a posterior are stored, of which training draws samples: means, then logarithms
   * of variances, twice the channels.
   */
  readonly posterior: boolean;
  /** Whether the mirrored pictures were encoded too. */
  readonly mirrored: boolean;
  /** How numbers are stored. */
  readonly type: "F32" | "F16";
  /** Pictures of a file; the last one has the rest. */
  readonly shardLength: number;
}

/** Sums over all positions of the latents of a file, channel by channel. */
export interface LatentSums {
  /** Of the latents. */
  readonly values: readonly number[];
  /** Of the expected squares: of a posterior, those of its samples. */
  readonly squares: readonly number[];
}

/** One file of a cache. */
export interface CacheShard {
  /** Its name, which is a hash of its contents. */
  readonly file: string;
  /** Pictures in it. */
  readonly pictures: number;
  /** Length and checksums. */
  readonly record: FileRecord;
  /** What the statistics of all files come from. */
  readonly sums: LatentSums;
}

/** What is known of all latents together. */
export interface LatentStatistics {
  /** Means of the channels. */
  readonly mean: readonly number[];
  /** Deviations of the channels. */
  readonly deviation: readonly number[];
}

/** How a diffusion model sees latents z: as (z - shift) scale, channel by channel. */
export interface LatentNormalization {
  /** Taken off each channel. */
  readonly shift: readonly number[];
  /** What each channel is multiplied by then. */
  readonly scale: readonly number[];
}

/** What a run keeps of the cache that it is trained on. */
export interface LatentSettings extends LatentNormalization {
  /** What has encoded, and decodes. */
  readonly autoencoder: LatentAutoencoder;
  /** Whether what is stored are posteriors, of which training draws samples. */
  readonly posterior: boolean;
  /** Frames a second of the clips that they stand for; absent for pictures. */
  readonly fps?: number;
}

/** The contents of `cache.json`. */
export interface CacheManifest extends CacheDescription {
  /** The files that are whole, in the order of the pictures. */
  readonly shards: readonly CacheShard[];
  /** Once all are there. */
  readonly statistics?: LatentStatistics;
  /** How a diffusion model sees the latents; once all are there. */
  readonly normalization?: LatentNormalization;
}

const whole = z.int().min(0);
const positive = z.int().min(1);
const sizes = z.strictObject({
  channels: positive,
  frames: positive.optional(),
  height: positive,
  width: positive,
});
/** Sums of what is no latent would make statistics that are no numbers. */
const sums = z.array(z.number().min(-1e100).max(1e100));
/** Devices compute with the normalization in single precision. */
const single = z.float32();
const rate = z.number().positive();
/** What the files of a cache are called. */
const shardName = /^[0-9a-f]{32}\.safetensors$/;
const checksum = z.string().regex(/^[0-9a-f]{8}$/);

const autoencoder = z.strictObject({
  config: z.looseObject({ family: z.string() }),
  path: z.string(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
});

const normalization = { shift: z.array(single), scale: z.array(single.min(2 ** -126)) };

/** The JSON form of {@link LatentSettings}. */
export const latentSettingsSchema: z.ZodType<LatentSettings> = z.strictObject({
  autoencoder,
  posterior: z.boolean(),
  ...normalization,
  fps: rate.optional(),
});

const manifestSchema: z.ZodType<CacheManifest> = z.strictObject({
  format: z.literal("tessera-latents"),
  version: z.literal(1),
  autoencoder,
  source: z.strictObject({
    path: z.string(),
    fingerprint: z.string(),
    pictures: positive,
    fps: rate.optional(),
    cuts: clipCutsSchema.optional(),
  }),
  classNames: z.array(z.string()),
  pixels: sizes,
  latent: sizes,
  posterior: z.boolean(),
  mirrored: z.boolean(),
  type: z.enum(["F32", "F16"]),
  shardLength: positive,
  shards: z.array(z.strictObject({
    file: z.string().regex(shardName),
    pictures: positive,
    record: z.strictObject({ bytes: whole, header: checksum, contents: checksum }),
    sums: z.strictObject({ values: sums, squares: sums }),
  })),
  statistics: z.strictObject({ mean: sums, deviation: sums }).optional(),
  normalization: z.strictObject(normalization).optional(),
});

/** Name of the file that makes a folder a cache. */
const manifestFile = "cache.json";

/** Path of what a cache says about itself. */
export const cacheManifestPath = (folder: string): string => join(folder, manifestFile);

/** Whether a folder is a cache, whole or not, be it one whose `cache.json` has lost its contents. */
export async function isLatentCache(folder: string): Promise<boolean> {
  const text = await readRegularText(cacheManifestPath(folder)).catch(() => undefined);
  if (text === undefined) return false;
  return text.includes('"tessera-latents"') || (isEmpty(text) && await holdsOnlyShards(folder));
}

const isEmpty = (text: string): boolean => text.trim() === "";

/** Whether what stands beside `cache.json` are files of a cache only, finished or not. */
async function holdsOnlyShards(folder: string): Promise<boolean> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  return entries.every(({ name }) =>
    name === manifestFile || shardName.test(name) || name.startsWith(".")
  );
}

/**
 * Refuses a cache where pictures or clips are looked for.
 *
 * @throws InputError when a folder is one
 */
export async function requireNoCache(folder: string): Promise<void> {
  if (!await isLatentCache(folder)) return;
  throw new InputError(
    `${folder}: is a cache of latents, on which diffusion models are trained; pictures or clips are ` +
      "wanted",
  );
}

/**
 * Reads what a cache says about itself.
 *
 * @throws InputError when there is none, or naming the field that is wrong
 */
export async function readCacheManifest(folder: string): Promise<CacheManifest> {
  const path = cacheManifestPath(folder);
  const text = await readRegularText(path);
  if (isEmpty(text)) {
    throw new InputError(
      `${path}: is empty, so it is not known what this cache holds; remove the folder and encode anew`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError(`${path}: not valid JSON, the file is damaged`);
  }
  const manifest = checkFields(manifestSchema, value, path, { document: "cache" });
  checkChannels(path, manifest);
  return manifest;
}

/** Refuses statistics that are not a number for each channel. */
function checkChannels(path: string, manifest: CacheManifest): void {
  const { latent: { channels }, shards, statistics, normalization } = manifest;
  const lists: readonly (readonly [string, readonly (readonly number[])[]])[] = [
    ["table of sums", shards.flatMap(({ sums: { values, squares } }) => [values, squares])],
    ["table of statistics", statistics ? [statistics.mean, statistics.deviation] : []],
    ["normalization", normalization ? [normalization.shift, normalization.scale] : []],
  ];
  const wrong = lists.find(([, all]) => all.some(({ length }) => length !== channels));
  if (wrong === undefined) return;
  throw new InputError(`${path}: damaged: its ${wrong[0]} is not of ${channels} channels`);
}

/** Shape of what is stored of the latents of some pictures. */
export function storedShape(
  description: Pick<CacheDescription, "latent" | "posterior">,
  pictures: number,
): number[] {
  const { frames, height, width } = description.latent;
  const clip = frames === undefined ? [] : [frames];
  return [pictures, storedChannels(description), ...clip, height, width];
}

/** Channels of what is stored of a latent. */
export const storedChannels = (
  { latent, posterior }: Pick<CacheDescription, "latent" | "posterior">,
): number => posterior ? 2 * latent.channels : latent.channels;

/** What samples are called: pictures, or clips, whose latents have frames. */
export const samplesOf = ({ latent }: Pick<CacheDescription, "latent">): "pictures" | "clips" =>
  latent.frames === undefined ? "pictures" : "clips";

/** Pictures that are in the files so far. */
export const cachedPictures = ({ shards }: CacheManifest): number =>
  shards.reduce((sum, { pictures }) => sum + pictures, 0);

/** Means and deviations of all latents from the sums of the files. */
export function statisticsOf({ shards, latent, mirrored }: CacheManifest): LatentStatistics {
  const pictures = shards.reduce((sum, shard) => sum + shard.pictures, 0);
  const count = pictures * (mirrored ? 2 : 1) * positionsOf(latent);
  const means = (of: keyof LatentSums): number[] =>
    Array.from(
      { length: latent.channels },
      (_, channel) => shards.reduce((sum, { sums }) => sum + sums[of][channel], 0) / count,
    );
  const mean = means("values");
  const deviation = means("squares").map((square, channel) =>
    Math.sqrt(Math.max(square - mean[channel] ** 2, 0))
  );
  return { mean, deviation };
}

/**
 * The normalization that an autoencoder is published with, or else the one that gives every channel mean
 * 0 and deviation 1.
 *
 * @param scalingFactor of the autoencoder, if it has one
 */
export function normalizationOf(
  { mean, deviation }: LatentStatistics,
  scalingFactor?: number,
): LatentNormalization {
  if (scalingFactor === undefined) {
    return { shift: mean, scale: deviation.map((value) => value > 0 ? 1 / value : 1) };
  }
  return { shift: mean.map(() => 0), scale: mean.map(() => scalingFactor) };
}

/** Identifies the contents of a whole cache, wherever it lies. */
export function cacheFingerprint({ autoencoder, shards, normalization }: CacheManifest): string {
  const contents = [autoencoder.hash, normalization, ...shards.map(({ file }) => file)];
  return createHash("sha256").update(JSON.stringify(contents)).digest("hex");
}
