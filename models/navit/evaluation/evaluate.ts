/**
 * Running a NaViT over a set of pictures under one setting: what it put out, and what that cost.
 *
 * @module
 */
import { type EvaluationPicture, planEvaluation } from "../../../data/packing/evaluation_plan.ts";
import type { PackedBatch, PackedShape } from "../../../data/packing/batch.ts";
import { packForEvaluation } from "../../../data/packing/loader.ts";
import { gridTokens, type PatchGrid } from "../../../data/packing/patch_grid.ts";
import type { PictureSet } from "../../../data/picture_set.ts";
import type { SkipReport } from "../../../data/pictures/skip_report.ts";
import { InputError } from "../../../base/errors.ts";
import type { Device, DeviceBuffer } from "../../../kernels/device.ts";
import type { NaViTConfig } from "../model.ts";
import { longestGridSide } from "../positions.ts";
import { describeNaViT, type NaViTOutput, type PackShape } from "../graph.ts";
import { gridOf, type ImageSetting } from "./image_grids.ts";
import { PackedForward } from "./packed_forward.ts";

/** A model on a device. */
export interface LoadedNaViT {
  readonly device: Device;
  readonly config: NaViTConfig;
  readonly parameters: ReadonlyMap<string, DeviceBuffer>;
}

/** How batches are made. */
export interface BatchOptions {
  /** Sequences of a batch; fewer where there are few pictures. */
  readonly sequences: number;
  /** Tokens of a sequence; more when an image needs them. */
  readonly length: number;
  /** Whether the first batch is run untimed before, so that times are those of a warm program; true unless told. */
  readonly timed?: boolean;
  /** Worker threads that prepare pictures. */
  readonly workers?: number;
  /** Hears of damaged pictures, which every setting meets again. Standard error unless told. */
  readonly skips?: SkipReport;
}

/** What a model said about the pictures of a set, and what it cost. */
export interface NaViTOutputs {
  /** Data set indices of the pictures that could be read, ascending. */
  readonly indices: readonly number[];
  /** Their classes. */
  readonly labels: Int32Array;
  /** (pictures, width): logits or vectors. */
  readonly values: Float32Array;
  /** Mean tokens of a picture. */
  readonly tokens: number;
  /** Mean multiply-adds of a picture by itself. */
  readonly multiplyAdds: number;
  /** Model time of a picture in ms: from arrays in memory to outputs in memory. */
  readonly milliseconds: number;
  /** Pictures a second with everything: reading, resizing, packing, the model. */
  readonly imagesPerSecond: number;
  /** Share of the tokens of all sequences that were not padding. */
  readonly fillRate: number;
}

/** Untimed runs of the first batch: a wasm program becomes fast after a few. */
const warmUpRuns = 3;

/** Lengths are whole multiples of this, so that settings of nearly equal sizes look alike. */
const lengthUnit = 8;

/**
 * Runs a model over all pictures of a set.
 *
 * @throws InputError when not one picture can be read
 */
export async function runNaViT(
  { device, config, parameters }: LoadedNaViT,
  pictures: PictureSet,
  setting: ImageSetting,
  output: NaViTOutput,
  options: BatchOptions,
): Promise<NaViTOutputs> {
  const longest = longestGridSide(config);
  const grids = Array.from(
    { length: pictures.length },
    (_, index) => gridOf(setting, pictures.size(index), config.patch, longest),
  );
  const items = grids.map((grid, index) => ({ index, grid }));
  const packing = packedShape(setting, pictures, items, config.patch, options);
  const shape = {
    sequences: packing.sequences,
    length: packing.sequenceLength,
    slots: packing.images,
  };
  const forward = await PackedForward.create(device, config, parameters, shape, output);
  try {
    const { workers, skips, timed = true } = options;
    const collector = new Collector(pictures, grids, shape, timed);
    const batches = packForEvaluation(pictures, items, { ...packing, workers, skips });
    for await (const batch of batches) await collector.run(forward, batch);
    return collector.finish((tokens) => describeNaViT(config, tokens).multiplyAdds);
  } finally {
    forward.destroy();
  }
}

/** The shape of the batches: long enough for every image, with as many slots as are ever filled. */
function packedShape(
  setting: ImageSetting,
  pictures: PictureSet,
  items: readonly EvaluationPicture[],
  patch: number,
  { sequences, length }: BatchOptions,
): PackedShape {
  const tokens = items.map(({ grid }) => gridTokens(grid));
  const largest = tokens.reduce((most, count) => Math.max(most, count), 0);
  if (setting.kind === "padded") return { sequences, sequenceLength: largest, images: 1, patch };
  const sequenceLength = Math.ceil(Math.max(length, largest) / lengthUnit) * lengthUnit;
  // A batch of a small set has no empty sequences.
  const total = tokens.reduce((sum, count) => sum + count, 0);
  const roomy = {
    sequences: Math.min(sequences, Math.ceil(total / sequenceLength)),
    sequenceLength,
    images: sequenceLength,
    patch,
  };
  let images = 1;
  for (const step of planEvaluation(pictures, items, roomy)) {
    for (const { items: packed } of step.sequences) images = Math.max(images, packed.length);
  }
  return { ...roomy, images };
}

/** Collects outputs batch by batch, in the order of the set. */
class Collector {
  readonly #outputs = new Map<number, Float32Array>();
  #milliseconds = 0;
  #started = performance.now();
  #warmUp = 0;
  #places = 0;
  readonly #pictures: PictureSet;
  readonly #grids: readonly PatchGrid[];
  readonly #shape: PackShape;
  readonly #timed: boolean;

  constructor(
    pictures: PictureSet,
    grids: readonly PatchGrid[],
    shape: PackShape,
    timed: boolean,
  ) {
    this.#timed = timed;
    this.#pictures = pictures;
    this.#grids = grids;
    this.#shape = shape;
  }

  /** Runs a batch and keeps what the model put out. */
  async run(forward: PackedForward, batch: PackedBatch): Promise<void> {
    if (this.#timed && batch.step === 0) await this.#warmUpWith(forward, batch);
    const start = performance.now();
    const values = await forward.run(batch);
    this.#milliseconds += performance.now() - start;
    this.#places += this.#shape.sequences * this.#shape.length;
    const width = values.length / batch.indices.length;
    batch.indices.forEach((index, slot) => {
      if (index < 0 || batch.weights[slot] === 0) return;
      this.#outputs.set(index, values.slice(slot * width, (slot + 1) * width));
    });
  }

  async #warmUpWith(forward: PackedForward, batch: PackedBatch): Promise<void> {
    const start = performance.now();
    for (let run = 0; run < warmUpRuns; run++) await forward.run(batch);
    this.#warmUp = performance.now() - start;
  }

  /** Everything that was collected; `cost` gives the multiply-adds of an image of so many tokens. */
  finish(cost: (tokens: number) => number): NaViTOutputs {
    const seconds = (performance.now() - this.#started - this.#warmUp) / 1000;
    const indices = [...this.#outputs.keys()].sort((a, b) => a - b);
    const images = indices.length;
    if (images === 0) throw new InputError(`${this.#pictures.name}: no picture can be read`);
    const tokens = indices.map((index) => gridTokens(this.#grids[index]));
    const total = tokens.reduce((sum, count) => sum + count, 0);
    const costs = new Map([...new Set(tokens)].map((count) => [count, cost(count)]));
    const width = this.#outputs.get(indices[0])!.length;
    const values = new Float32Array(images * width);
    indices.forEach((index, row) => values.set(this.#outputs.get(index)!, row * width));
    return {
      indices,
      labels: Int32Array.from(indices, (index) => this.#pictures.label(index)),
      values,
      tokens: total / images,
      multiplyAdds: tokens.reduce((sum, count) => sum + costs.get(count)!, 0) / images,
      milliseconds: this.#milliseconds / images,
      imagesPerSecond: images / seconds,
      fillRate: total / this.#places,
    };
  }
}
