/**
 * `train walt --tokenizer`: clips become caches of latents first, which are then trained on as any cache.
 *
 * Encoding every clip once costs less than at each of its visits, the normalisation of latents is known
 * before the first step, and the bits of a run hang neither on how the tokenizer fitted into memory nor on
 * the device that it ran on. Caches are called after tokenizer and clips: what was stopped is continued by the
 * same command, and another run on the same clips finds its latents there.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "@std/path";
import type { ClipCuts } from "../../../data/clips/cuts.ts";
import type { ClipSet } from "../../../data/clips/clip_set.ts";
import { isLatentCache, readCacheManifest } from "../../../data/latents/cache.ts";
import { type LatentDataset, plannedLatents } from "../../../data/latents/dataset.ts";
import { checkClipSize } from "../../../models/codec.ts";
import { tokenizerLatents } from "../../../models/causal_tokenizer/coding.ts";
import { checkTokenizerData, type TokenizerData } from "../../../models/causal_tokenizer/data.ts";
import { causalTokenizerCodec } from "../../../models/causal_tokenizer/graph.ts";
import { colours } from "../../../models/causal_tokenizer/model.ts";
import {
  findTokenizer,
  openTokenizer,
  type TokenizerSource,
} from "../../../models/causal_tokenizer/source.ts";
import { cacheDescription, type CachedLatents } from "../../../models/encode.ts";
import { isWeightsFile } from "../../../training/checkpoints/checkpoint.ts";
import { encodeCache } from "../../runs/encode.ts";
import { recordedPlace } from "../../flags/run_file.ts";
import { opened, placeOf } from "../../runs/prepare.ts";
import { asUsage, UsageError } from "../../terminal/errors.ts";
import type { Io } from "../../terminal/io.ts";
import { isShippedClips, openTokenizerData } from "../causal_tokenizer/data.ts";
import { tokenizerEncoding } from "../causal_tokenizer/encode.ts";
import type { OpeningEvents } from "../training.ts";
import { openPixels, shipped } from "./clips.ts";
import type { TrainWaltOptions } from "./train_flags.ts";

/** Clips of a file of a cache, and clips that are encoded at a time where they fit into memory. */
const shardLength = 1024;
const clipsAtOnce = 4;

/** Clips, or where a clip has one frame pictures. */
type Pixels = TokenizerData & Partial<Pick<ClipSet, "clipName" | "close">>;

/** Clips with the cache that their latents belong into. */
interface TokenizedClips {
  readonly source: TokenizerSource;
  readonly clips: Pixels;
  readonly latents: CachedLatents;
  readonly folder: string;
}

/** How a cache is made. */
const choicesOf = (values: TrainWaltOptions, { frames }: Pixels) => {
  const { flip, dataPath, fps, stride, hop, folderFps, crop } = values;
  const cuts: ClipCuts = { fps, stride, hop, folderFps, crop };
  const path = recordedPlace(dataPath ?? shipped.name);
  const isCut = frames !== undefined;
  return {
    ...{ dataPath: path, cuts: isCut ? cuts : undefined },
    ...{ mirrored: flip, type: "F32", shardLength } as const,
  };
};

/**
 * The flags of a run on the latents of clips, which are encoded where they are not yet. A plan without a run
 * encodes nothing.
 */
export async function encodeFirst(io: Io, values: TrainWaltOptions): Promise<TrainWaltOptions> {
  if (values.tokenizer === undefined) return values;
  if (values.lowResolution !== undefined) {
    throw new UsageError("--low-resolution is for caches; --super-resolution encodes both sizes");
  }
  const folders: string[] = [];
  for (const size of sizesOf(values)) {
    const tokenized = await opened(io, values.quiet, (events) => tokenize(values, size, events));
    try {
      if (!await isWhole(tokenized.folder)) {
        if (values.dryRun) return values;
        await encode(io, values, tokenized);
      }
      folders.push(tokenized.folder);
    } finally {
      tokenized.clips.close?.();
    }
  }
  const [dataPath, lowResolution] = folders;
  return { ...values, dataPath, lowResolution, tokenizer: undefined, superResolution: false };
}

/** The latents that would be encoded, of which nothing is known but what decides size and cost. */
export async function plannedTokens(
  values: TrainWaltOptions,
  events: OpeningEvents,
): Promise<{ readonly clips: LatentDataset; readonly lowResolution?: LatentDataset }> {
  const planned: LatentDataset[] = [];
  for (const size of sizesOf(values)) {
    const { clips, latents } = await tokenize(values, size, events);
    planned.push(plannedLatents(cacheDescription(latents, clips, choicesOf(values, clips)), clips));
    clips.close?.();
  }
  const [clips, lowResolution] = planned;
  return { clips, lowResolution };
}

/** The sizes at which clips are encoded: as they are, and where a model enlarges at half of that. */
function sizesOf({ size, superResolution }: TrainWaltOptions): TrainWaltOptions["size"][] {
  if (!superResolution) return [size];
  if (size === undefined) {
    throw new UsageError(
      "--super-resolution with --tokenizer needs --size, half of which is encoded too",
    );
  }
  return [size, { width: size.width / 2, height: size.height / 2 }];
}

/** Opens clips, and finds the cache of their latents. */
async function tokenize(
  values: TrainWaltOptions,
  size: TrainWaltOptions["size"],
  events: OpeningEvents,
): Promise<TokenizedClips> {
  const { tokenizer, flip, resultsDir, dataPath } = values;
  if (await isWeightsFile(tokenizer!)) {
    throw new UsageError(
      `--tokenizer ${tokenizer}: is a file of weights; it takes a run or checkpoint`,
    );
  }
  const source = await findTokenizer(tokenizer!, "ema", undefined);
  checkAskedSize(source, values.frames, size);
  const place = placeOf({ shipped }, dataPath);
  const clips = await openPixelsOf(place, { ...values, size }, events);
  checkTokenizerData(source.config, clips);
  using weights = await openTokenizer(source);
  const latents = tokenizerLatents(source, weights, clips);
  const key = JSON.stringify([latents.autoencoder.hash, clips.fingerprint, flip]);
  const name = createHash("sha256").update(key).digest("hex").slice(0, 16);
  return { source, clips, latents, folder: join(resultsDir, "latents", name) };
}

/** Refuses flags that no clip for the tokenizer could have, before any is opened. */
function checkAskedSize(
  { config }: TokenizerSource,
  frames: number,
  size: TrainWaltOptions["size"],
): void {
  const grid = causalTokenizerCodec.grid(config);
  const sides = size ?? { height: grid.side, width: grid.side };
  asUsage(() =>
    checkClipSize(grid, { frames, ...sides }, size ? "--frames and --size" : "--frames")
  );
}

/** Clips in colour; where they have one frame each, pictures, unless the place has clips only. */
async function openPixelsOf(
  place: string,
  values: TrainWaltOptions,
  events: OpeningEvents,
): Promise<Pixels> {
  const { frames, seed } = values;
  return frames === 1
    ? await openTokenizerData(place, values, { isClips: isShippedClips(place), seed, ...events })
    : await openPixels(place, values, { channels: colours, seed }, events);
}

/** Whether a cache has all that belongs into it. */
const isWhole = async (folder: string): Promise<boolean> =>
  await isLatentCache(folder) && (await readCacheManifest(folder)).normalization !== undefined;

async function encode(
  io: Io,
  values: TrainWaltOptions,
  { source, clips, folder }: TokenizedClips,
): Promise<void> {
  using weights = await openTokenizer(source);
  const { mirrored: flips, ...choices } = choicesOf(values, clips);
  const storing = {
    out: folder,
    flips,
    dtype: "f32",
    shardLength,
    batchSize: clipsAtOnce,
  } as const;
  await encodeCache(
    io,
    { ...values, ...storing },
    tokenizerEncoding(source, weights, clips, choices),
  );
}
