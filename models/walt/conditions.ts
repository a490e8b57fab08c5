/**
 * What a denoiser is told of clips besides their classes: captions, and the same clips at half the size.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { fileOfClip } from "../../data/clips/clip_plan.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import type { LatentDataset } from "../../data/latents/dataset.ts";
import type { TextFeatures } from "../../data/text_features.ts";

/** Clips, or latents of clips, and what a model is told of them. */
export type WaltDataset = ImageDataset & WaltConditions;

/** What a model is told of clips besides their classes. */
export interface WaltConditions {
  /** The captions. */
  readonly captions?: ClipCaptions;
  /** The same clips at half the height and width. */
  readonly lowResolution?: LatentDataset;
}

/** The captions of clips. */
export interface ClipCaptions {
  /** Where their features are. */
  readonly features: TextFeatures;
  /** The row of each clip. */
  readonly rows: Int32Array;
}

/** Clips that may have names. */
type NamedClips = ImageDataset & { clipName?(index: number): string };

/**
 * The captions of clips: those with the names of the clips, or of their files.
 *
 * @throws InputError when a clip has none, or clips have no names
 */
export function captionsOf(clips: NamedClips, features: TextFeatures): ClipCaptions {
  const { clipName } = clips;
  if (!clipName) {
    throw new InputError(
      `${clips.name}: does not say what its clips are called, so their text is not known; encode makes a ` +
        "cache that does",
    );
  }
  const known = new Set(features.names);
  const rows = Int32Array.from({ length: clips.length }, (_, index) => {
    const name = clipName(index);
    return features.rowOf(known.has(name) ? name : fileOfClip(name));
  });
  return { features, rows };
}

/**
 * Requires that a cache holds the same clips as another at half the height and width.
 *
 * @throws InputError naming what differs
 */
export function checkLowResolution(clips: LatentDataset, small: LatentDataset): void {
  const facts: [what: string, found: number | string, wanted: number | string][] = [
    ["number of clips", small.length, clips.length],
    ["number of frames", small.frames ?? 1, clips.frames ?? 1],
    ["height", small.height, clips.height / 2],
    ["width", small.width, clips.width / 2],
    ["channels", small.cache.latent.channels, clips.cache.latent.channels],
    ["classes", small.classNames.join(", "), clips.classNames.join(", ")],
  ];
  for (const [what, found, wanted] of facts) {
    if (found === wanted) continue;
    throw new InputError(
      `${small.name}: is not ${clips.name} at half the size: ${what} ${found}, not ${wanted}`,
    );
  }
  const other = Array.from({ length: clips.length }, (_, index) => index)
    .find((index) => clips.label(index) !== small.label(index));
  if (other === undefined) return;
  throw new InputError(
    `${small.name}: is not ${clips.name} at half the size: clip ${other} has another class`,
  );
}
