/**
 * Sampled pictures as files: single PNGs and a labelled grid, each saying how it was made.
 *
 * @module
 */
import { join } from "@std/path";
import { writeBytesAtomically, writeTextAtomically } from "../formats/atomic_file.ts";
import { type Bitmap, encodePng, toBitmaps } from "../formats/bitmap.ts";
import { pictureGrid } from "../formats/picture_grid.ts";
import { setPngMetadata } from "../formats/png.ts";
import type { DiTConfig } from "../models/dit.ts";
import type { WeightType } from "../models/parameters.ts";

/** How pictures were made; stored in every file. */
export interface SampleRecord {
  /** Path of the weights. */
  readonly weights: string;
  /** How they were stored on the device; f32 when absent. */
  readonly dtype?: WeightType;
  /** Optimizer steps behind the weights, if known. */
  readonly step?: number;
  /** Size and shape of the model. */
  readonly config: DiTConfig;
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
  /** Leading channels that were guided. */
  readonly cfgChannels: number | "all";
  /** Seed of start noise and steps. */
  readonly seed: number;
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
export function samplesToBitmaps(values: Float32Array, config: DiTConfig): Bitmap[] {
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
  return setPngMetadata(await pictureGrid(pictures, { ...text, ...layout }), record, "grid");
}

/**
 * Writes `grid.png`, `000000.png` and so on, and `samples.json` into a folder.
 *
 * @returns the path of the grid
 */
export async function writeSamples(
  folder: string,
  values: Float32Array,
  record: SampleRecord,
  text: GridText,
): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  const pictures = samplesToBitmaps(values, record.config);
  for (const [index, picture] of pictures.entries()) {
    const { labels, ...shared } = record;
    const about = { ...shared, index, label: labels[index] };
    const png = setPngMetadata(await encodePng(picture), about, "picture");
    await writeBytesAtomically(join(folder, `${String(index).padStart(6, "0")}.png`), png);
  }
  const grid = join(folder, "grid.png");
  await writeBytesAtomically(grid, await sampleGrid(pictures, record, text));
  const json = `${JSON.stringify(record, null, 2)}\n`;
  await writeTextAtomically(join(folder, "samples.json"), json);
  return grid;
}
