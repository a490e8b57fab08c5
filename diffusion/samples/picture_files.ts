/**
 * Sampled pictures as files: single PNGs and a labelled grid, each saying how it was made.
 *
 * @module
 */
import { join } from "@std/path";
import { writeBytesAtomically, writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { recordPath, removeSamples, samplePath } from "./folder.ts";
import { type Bitmap, encodePng, toBitmaps } from "../../formats/pictures/bitmap.ts";
import { setPngMetadata } from "../../formats/pictures/png.ts";
import type { GuidanceSchedule } from "../guidance.ts";
import type { WeightType } from "../../nn/parameters.ts";

/** What is known here about the model that made pictures: their shape, and whatever else it holds. */
export interface PictureModel {
  /** Channels C. */
  readonly channels: number;
  /** Side I of a picture. */
  readonly inputSize: number;
}

/** How pictures were made; stored in every file. */
export interface SampleRecord {
  /** Path of the weights. */
  readonly weights: string;
  /** How they were stored on the device; f32 when absent. */
  readonly dtype?: WeightType;
  /** Optimizer steps behind the weights, if known. */
  readonly step?: number;
  /** Size and shape of the model. */
  readonly config: PictureModel;
  /** Path of the autoencoder that decoded what the model drew, and its pictures; absent: none did. */
  readonly decoder?: { readonly path: string; readonly pictures: PictureModel };
  /** Name of the sampler. */
  readonly sampler: string;
  /** Sampler steps a picture, 1 to 1000. */
  readonly samplingSteps: number;
  /** DDIM only: noise of the steps, 0 to 1. */
  readonly eta?: number;
  /** How the steps are spread over the training schedule. */
  readonly spacing?: string;
  /** Whether x0 was kept in [-1, 1]. */
  readonly clipDenoised: boolean;
  /** Scale of classifier-free guidance; 1 is off. */
  readonly cfgScale: number;
  /** How it went along the steps; the same at all of them when absent. */
  readonly cfgSchedule?: GuidanceSchedule;
  /** Leading channels that were guided. */
  readonly cfgChannels: number | "all";
  /** Seed of start noise and steps. */
  readonly seed: number;
  /** Path of the start noise, when it was given instead of drawn from the seed. */
  readonly noise?: string;
  /** One line for people. */
  readonly device: string;
  /** Class of each picture. */
  readonly labels: readonly number[];
  /** Names in the order of the labels. */
  readonly classNames: readonly string[];
}

/** What stands on a grid. */
export interface GridText {
  /** A line above everything. */
  readonly title: string;
  /** A second, lighter line. */
  readonly subtitle: string;
}

/** Sampled values (N, C, I, I) as pictures. */
export function samplesToBitmaps(values: Float32Array, config: PictureModel): Bitmap[] {
  const { channels, inputSize } = config;
  const count = values.length / (channels * inputSize * inputSize);
  return toBitmaps(values, [count, channels, inputSize, inputSize]);
}

/**
 * A grid as PNG bytes: one column a class when the classes repeat in turn, captions otherwise.
 */
export async function sampleGrid(
  pictures: readonly Bitmap[],
  record: SampleRecord,
  text: GridText,
): Promise<Uint8Array> {
  const names = record.labels.map((label) => record.classNames[label] ?? String(label));
  const columns = new Set(names).size;
  const inTurn = columns > 1 && columns <= 12 &&
    names.every((name, index) => name === names[index % columns]);
  const layout = inTurn ? { columnLabels: names.slice(0, columns), columns } : { captions: names };
  // What draws letters is loaded with the first grid.
  const { pictureGrid } = await import("../../formats/pictures/picture_grid.ts");
  return setPngMetadata(await pictureGrid(pictures, { ...text, ...layout }), record, "grid");
}

/** Pictures on a grid at most: what a person looks at, and what is held in memory for it. */
const gridPictures = 100;

/** The grid among the pictures of a folder. */
export const gridPath = (folder: string): string => join(folder, "grid.png");

/**
 * Passes batches of samples on, each written before to a folder as `000000.png` and so on; after
 * the last one come `grid.png`, with the first 100 pictures, and `samples.json`. As soon as there is
 * a picture, those of an earlier run make room.
 *
 * @param earlier from `findEarlierSamples`
 * @param batches (n, C, I, I) each, in order
 */
export async function* teeSamples(
  folder: string,
  batches: AsyncIterable<Float32Array>,
  record: SampleRecord,
  text: GridText,
  earlier: readonly string[] = [],
): AsyncGenerator<Float32Array> {
  const { labels, ...shared } = record;
  const onGrid: Bitmap[] = [];
  let index = 0;
  for await (const batch of batches) {
    if (index === 0) await removeSamples(earlier);
    for (const picture of samplesToBitmaps(batch, record.decoder?.pictures ?? record.config)) {
      const about = { ...shared, index, label: labels[index] };
      const png = setPngMetadata(await encodePng(picture), about, "picture");
      await writeBytesAtomically(`${samplePath(folder, index)}.png`, png);
      if (index < gridPictures) onGrid.push(picture);
      index++;
    }
    yield batch;
  }
  const drawn = { ...record, labels: labels.slice(0, gridPictures) };
  await writeBytesAtomically(gridPath(folder), await sampleGrid(onGrid, drawn, text));
  const json = `${JSON.stringify(record, null, 2)}\n`;
  await writeTextAtomically(recordPath(folder), json);
}
