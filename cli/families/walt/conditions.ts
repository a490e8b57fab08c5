/**
 * What `tessera train walt` tells the model of its clips besides their classes.
 *
 * @module
 */
import { resolve } from "@std/path";
import { InputError } from "../../../base/errors.ts";
import type { ClipSet } from "../../../data/clips/clip_set.ts";
import {
  isLatentDataset,
  type LatentDataset,
  openLatentCache,
} from "../../../data/latents/dataset.ts";
import { openTextFeatures } from "../../../data/text_features.ts";
import {
  captionsOf,
  checkLowResolution,
  type WaltConditions,
} from "../../../models/walt/conditions.ts";
import { mixingProblem, type WaltConfig } from "../../../models/walt/model.ts";
import type { WaltSettings } from "../../../models/walt/settings.ts";
import { checkLatents } from "../../runs/latent_data.ts";
import { UsageError } from "../../terminal/errors.ts";
import type { TrainWaltOptions } from "./train_flags.ts";

/** What is trained on: pixels of clips, or a cache of latents, and what the model is told of them. */
export type WaltData = (ClipSet | LatentDataset) & WaltConditions;

/**
 * Adds what the model is told to clips.
 *
 * @param text features of captions
 * @param small a cache of the same clips at half the size
 */
export async function withConditions(
  clips: ClipSet | LatentDataset,
  text: string | undefined,
  small: string | undefined,
): Promise<WaltData> {
  const lowResolution = small === undefined ? undefined : await openLatentCache(small);
  if (lowResolution && isLatentDataset(clips)) checkLowResolution(clips, lowResolution);
  const captions = text === undefined ? undefined : captionsOf(clips, await openTextFeatures(text));
  return { ...clips, captions, lowResolution };
}

/** Refuses flags that make latents of clips, where there are latents already. */
export function requireCache({ superResolution }: TrainWaltOptions): void {
  if (!superResolution) return;
  throw new UsageError(
    "--super-resolution is for clips; a cache needs --low-resolution, one of half the height and width",
  );
}

/** Refuses a cache as the low resolution of pixels. */
export function requireClips({ lowResolution }: TrainWaltOptions): void {
  if (lowResolution === undefined) return;
  throw new UsageError(
    `--low-resolution ${lowResolution}: is for latents; pixels are enlarged with --super-resolution`,
  );
}

/** What a run keeps of the conditions that its model is told. */
export function toldBy(
  { embeddings, lowResolution, lowResolutionNoise: maxNoise }: TrainWaltOptions,
  config: WaltConfig,
  data: WaltData,
): Pick<WaltSettings, "text" | "lowResolution"> {
  const features = data.captions?.features;
  const small = data.lowResolution;
  return {
    ...(features && {
      text: {
        path: resolve(embeddings!),
        fingerprint: features.fingerprint,
        words: features.words,
      },
    }),
    ...(config.lowResolution && {
      lowResolution: {
        maxNoise,
        ...(small && {
          cache: {
            path: resolve(lowResolution ?? small.name),
            fingerprint: small.fingerprint,
            latents: small.latents,
          },
        }),
      },
    }),
  };
}

/**
 * Refuses flags without the text that the model is told.
 *
 * @throws UsageError naming the flag
 */
export function requireText({ textWidth }: WaltConfig, { embeddings }: TrainWaltOptions): void {
  if (textWidth === null || embeddings !== undefined) return;
  throw new UsageError(
    "the model is told text: --embeddings FILE gives the features of the captions",
  );
}

/**
 * Refuses settings without the low resolution that the model enlarges, and data that tells it something else.
 *
 * @throws UsageError naming the flag that is missing, or that the windows do not allow
 * @throws InputError when the data is not that of the run
 */
export function checkTold(config: WaltConfig, run: WaltSettings, data: WaltData): void {
  if (config.lowResolution && run.latents && !run.lowResolution?.cache) {
    throw new UsageError(
      "the model enlarges latents: --low-resolution CACHE gives those of half the height and width",
    );
  }
  const problem = mixingProblem(config, run.imageShare > 0);
  if (problem !== undefined) throw new UsageError(`--image-share ${run.imageShare}: ${problem}`);
  checkText(config, run, data);
  checkSmall(run, data);
}

function checkText(
  { textWidth }: WaltConfig,
  { text }: WaltSettings,
  { captions }: WaltData,
): void {
  if (!text || !captions) return;
  const { fingerprint, width } = captions.features;
  if (width !== textWidth) {
    throw new InputError(`${text.path}: words have ${width} numbers, the model takes ${textWidth}`);
  }
  if (fingerprint === text.fingerprint) return;
  throw new InputError(`${text.path}: is not the text that the run was begun with`);
}

function checkSmall(
  { lowResolution, flip }: WaltSettings,
  { lowResolution: small }: WaltData,
): void {
  const cache = lowResolution?.cache;
  if (!cache || !small) return;
  checkLatents({ latents: cache.latents, flip }, small);
  if (small.fingerprint === cache.fingerprint) return;
  throw new InputError(`${cache.path}: is not the low resolution that the run was begun with`);
}
