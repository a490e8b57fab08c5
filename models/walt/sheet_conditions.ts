/**
 * What the clips of a run's sheets are told: the first classes, or what the first clips of the data are told.
 *
 * @module
 */
import type { LatentSettings } from "../../data/latents/cache.ts";
import { type ImageDataset, pictureLength } from "../../data/dataset.ts";
import type { ClipConditions } from "./clip_conditions.ts";
import type { ClipCaptions, WaltDataset } from "./conditions.ts";
import type { WaltConfig } from "./model.ts";
import type { WaltRun } from "./settings.ts";

/** Clips of a sheet, if there are as many classes. */
const mostClips = 8;

/** How many clips a sheet has. */
export const sheetLength = ({ classes }: Pick<WaltConfig, "classes">): number =>
  Math.min(classes ?? mostClips, mostClips);

/** The clips of a sheet. */
export interface SheetClips {
  readonly conditions: ClipConditions;
  /** What they are called on the sheet. */
  readonly names: readonly string[];
}

/** Reads what clips are told; the data is not needed after that. */
export async function sheetClips(
  dataset: WaltDataset,
  { config, run, classNames }: Pick<WaltRun, "config" | "run" | "classNames">,
): Promise<SheetClips> {
  const clips = Array.from({ length: sheetLength(config) }, (_, clip) => clip);
  if (config.textWidth === null && !config.lowResolution) {
    const names = clips.map((clip) => classNames[clip] ?? String(clip));
    return { conditions: { label: (clip) => clip }, names };
  }
  const indices = clips.map((clip) => clip % dataset.length);
  const { captions } = dataset;
  return {
    conditions: {
      label: (clip) => dataset.label(indices[clip]),
      caption: captions && captionsOf(captions, indices),
      lowResolution: run.lowResolution && await lowResolutionOf(dataset, run, indices),
    },
    names: indices.map((index) =>
      captions ? captions.features.names[captions.rows[index]] : classNames[dataset.label(index)]
    ),
  };
}

function captionsOf(
  { features, rows }: ClipCaptions,
  indices: readonly number[],
): ClipConditions["caption"] {
  const read = indices.map((index) => {
    const text = new Float32Array(features.words * features.width);
    const mask = new Int32Array(features.words);
    features.read(rows[index], text, mask);
    return { text, mask };
  });
  return {
    words: features.words,
    text: (clip, out) => out.set(read[clip].text),
    mask: (clip, out) => out.set(read[clip].mask),
  };
}

async function lowResolutionOf(
  dataset: WaltDataset,
  { lowResolution }: WaltRun["run"],
  indices: readonly number[],
): Promise<ClipConditions["lowResolution"]> {
  const small = dataset.lowResolution;
  const read: Float32Array[] = [];
  for (const index of indices) {
    const from: ImageDataset = small ?? dataset;
    const values = new Float32Array(pictureLength(from));
    await from.read([index], values);
    read.push(
      small ? normalized(values, lowResolution!.cache!.latents, from) : halved(values, from),
    );
  }
  return { latents: (clip, out) => out.set(read[clip]), noiseLevel: 0 };
}

/** Latents of a cache as a model sees them: of posteriors, the means. */
function normalized(
  stored: Float32Array,
  { shift, scale }: LatentSettings,
  { frames = 1, height, width }: ImageDataset,
): Float32Array {
  const plane = frames * height * width;
  return stored.subarray(0, shift.length * plane).map((value, index) => {
    const channel = Math.floor(index / plane);
    return (value - shift[channel]) * scale[channel];
  });
}

/** Means of 2 x 2 pixels. */
function halved(pixels: Float32Array, { width }: ImageDataset): Float32Array {
  const columns = width / 2;
  return Float32Array.from({ length: pixels.length / 4 }, (_, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    // Rows of all frames and channels come one after the other, an even number of each.
    const at = 2 * row * width + 2 * column;
    return (pixels[at] + pixels[at + 1] + pixels[at + width] + pixels[at + width + 1]) / 4;
  });
}
