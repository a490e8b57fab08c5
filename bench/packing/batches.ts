/**
 * The same pictures twice, ready in memory: packed as training packs them, and padded, one a sequence.
 *
 * @module
 */
import type { PackedArrays, PackedBatch, PackedShape } from "../../data/packing/batch.ts";
import { packingStart } from "../../data/packing/batch.ts";
import { createPackedLoader, packForEvaluation } from "../../data/packing/loader.ts";
import { type PlannedPicture, planTraining } from "../../data/packing/plan.ts";
import { gridAtSide, gridTokens, type PatchGrid } from "../../data/packing/patch_grid.ts";
import type { PictureSet } from "../../data/picture_set.ts";
import { type Resolution, sideOf } from "../../data/packing/resolution.ts";
import { InputError } from "../../base/errors.ts";
import type { HostArray } from "../../kernels/shape.ts";
import type { ReadyBatches } from "./workload.ts";

/** How pictures are laid out. */
export interface LayoutOptions {
  /** Side of a patch in pixels. */
  readonly patch: number;
  /** Tokens of the largest pictures; larger ones are scaled down, none is scaled up. */
  readonly tokens: number;
  /** Sequences of a packed batch. */
  readonly sequences: number;
  /** Packed batches; all their sequences are filled at the same time. */
  readonly batches: number;
  /** Tokens of a packed sequence; those of the longest picture unless told. */
  readonly sequenceLength?: number;
  /** Seed of the order of the pictures. */
  readonly seed: number;
}

/** Batches with what they hold. */
export interface LaidOut extends ReadyBatches {
  /** Pictures. */
  readonly images: number;
  /** Tokens that are not padding. */
  readonly tokens: number;
  /** Their share of all tokens. */
  readonly fillRate: number;
}

/** Two layouts of the same pictures. */
export interface Layouts {
  /** Several pictures a sequence, by first-fit. */
  readonly packed: LaidOut;
  /** One picture a sequence, padded to the longest of the whole set. */
  readonly padded: LaidOut;
  /** Tokens of each picture, in the order in which they were packed. */
  readonly images: readonly number[];
  /** Most patches along a side of a picture. */
  readonly longestSide: number;
}

/**
 * Lays pictures out both ways. As many are taken as the packed batches hold. Padded batches have as
 * many sequences as give them about the tokens of a packed one; the last of them is filled up with the
 * first pictures again, so that empty sequences do not count against padding.
 *
 * @throws InputError when the longest picture does not fit into a sequence
 */
export async function layOut(set: PictureSet, options: LayoutOptions): Promise<Layouts> {
  const { patch, tokens, sequences, batches, seed } = options;
  const resolution: Resolution = { kind: "native", maximum: patch * Math.sqrt(tokens) };
  const grids = gridsOf(set, resolution, patch);
  const longest = grids.reduce((most, grid) => Math.max(most, gridTokens(grid)), 0);
  const { sequenceLength = longest } = options;
  if (sequenceLength < longest) {
    throw new InputError(
      `${set.name}: the longest picture has ${longest} tokens, a sequence ${sequenceLength}`,
    );
  }
  const shape = { sequences, sequenceLength, images: sequenceLength, patch };
  const packing = { ...shape, seed, resolution, openSequences: sequences * batches };
  const planned = planTraining(set, packing, packingStart).take(batches)
    .flatMap((step) => step.sequences.map(({ items }) => items)).toArray();
  const slots = Math.max(...planned.map((items) => items.length));
  const loader = createPackedLoader(set, { ...packing, images: slots });
  try {
    const pictures = planned.flat();
    const packed = await collect(takeFrom(loader, batches), { ...shape, images: slots });
    const perBatch = Math.floor(sequences * sequenceLength / longest);
    const padding = { sequences: perBatch, sequenceLength: longest, images: 1, patch };
    const padded = packForEvaluation(set, filledUp(pictures, perBatch), padding);
    return {
      packed,
      padded: await collect(padded, padding),
      images: pictures.map(({ grid }) => gridTokens(grid)),
      longestSide: grids.reduce((most, grid) => Math.max(most, grid.rows, grid.columns), 0),
    };
  } finally {
    loader.close();
  }
}

/** The grid of every picture of a set. */
function gridsOf(set: PictureSet, resolution: Resolution, patch: number): PatchGrid[] {
  return Array.from({ length: set.length }, (_, index) => {
    const size = set.size(index);
    return gridAtSide(size, sideOf(resolution, size, 0, index), patch);
  });
}

/** The pictures, then the first ones again until their number is a multiple of `unit`. */
function filledUp(pictures: readonly PlannedPicture[], unit: number): PlannedPicture[] {
  const length = Math.ceil(pictures.length / unit) * unit;
  return Array.from({ length }, (_, index) => pictures[index % pictures.length]);
}

async function* takeFrom(
  loader: { next(): Promise<PackedBatch> },
  count: number,
): AsyncGenerator<PackedBatch> {
  for (let batch = 0; batch < count; batch++) yield await loader.next();
}

/** Copies of the batches of a loader, which reuses its memory. */
async function collect(
  loaded: AsyncIterable<PackedBatch>,
  { sequences, sequenceLength: length, images: slots }: PackedShape,
): Promise<LaidOut> {
  const batches: Record<string, HostArray>[] = [];
  let [images, tokens] = [0, 0];
  for await (const { counts, step: _, next: __, damage: ___, ...arrays } of loaded) {
    batches.push(copyOf(arrays));
    images += counts.images;
    tokens += counts.tokens;
  }
  const fillRate = tokens / (batches.length * sequences * length);
  return { shape: { sequences, length, slots }, batches, images, tokens, fillRate };
}

function copyOf(arrays: PackedArrays): Record<string, HostArray> {
  const entries: [string, HostArray][] = Object.entries(arrays);
  return Object.fromEntries(entries.map(([name, data]) => [name, data.slice()]));
}
