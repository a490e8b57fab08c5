/**
 * Packed batches for training and evaluation. The main thread plans them, worker threads decode,
 * resize and cut the pictures into memory that all share, some batches ahead of the one in use.
 *
 * @module
 */

import { InputError } from "../formats/errors.ts";
import {
  allocateBatch,
  emptySlot,
  fillWeights,
  layOutBatch,
  type PlacedPicture,
} from "./batch_layout.ts";
import { type EvaluationPicture, planEvaluation } from "./evaluation_plan.ts";
import {
  type PackedArrays,
  type PackedBatch,
  type PackedShape,
  type PackingPosition,
  packingStart,
} from "./packed_batch.ts";
import { type PackingOptions, type PlannedStep, planTraining } from "./packing_plan.ts";
import { PicturePool } from "./picture_pool.ts";
import type { Picture } from "./picture.ts";
import type { PictureSet } from "./picture_set.ts";
import type { PictureJob } from "./picture_tokens.ts";
import { SkipReport } from "./skip_report.ts";

/** How batches are prepared. None of this changes a bit of them. */
export interface PreparationOptions {
  /** Worker threads, at least 1; half of the cores, at most 4, unless told. */
  readonly workers?: number;
  /** Batches that are ready or in work beside the one in use, at least 1; 2 unless told. */
  readonly ahead?: number;
  /** Bytes of decoded pictures kept in memory; 2 GiB unless told. */
  readonly memoryBudget?: number;
  /** Hears of damaged pictures; several streams may share one. Standard error unless told. */
  readonly skips?: SkipReport;
}

/** Decoded pictures that are kept, the first ones until the budget is spent: epochs go round. */
class DecodedPictures {
  private readonly pictures = new Map<number, Picture | undefined>();

  constructor(private readonly set: PictureSet, private budget: number) {}

  /** A picture's pixels when they are there. */
  get(index: number): Picture | undefined {
    return this.pictures.get(index);
  }

  /** Whether a picture that is about to be decoded will be kept; takes its part of the budget. */
  reserve(index: number): boolean {
    if (this.pictures.has(index) || typeof this.set.source(index) !== "string") return false;
    const { width, height } = this.set.size(index);
    const bytes = width * height * this.set.channels;
    if (bytes > this.budget) return false;
    this.budget -= bytes;
    this.pictures.set(index, undefined);
    return true;
  }

  /** Keeps what was reserved. */
  keep(index: number, picture: Picture): void {
    this.pictures.set(index, picture);
  }
}

/** Half of the cores: the rest computes. */
const defaultWorkers = () => Math.min(4, Math.ceil(navigator.hardwareConcurrency / 2));

/** A batch in the making, and the memory it is made in. */
interface Preparation {
  readonly arrays: PackedArrays;
  readonly batch: Promise<PackedBatch | undefined>;
}

/** Batches made from a plan, in order, some of them ahead. */
class BatchStream {
  /** Seconds spent inside `next`. */
  waitSeconds = 0;
  private readonly pool: PicturePool;
  private readonly decoded: DecodedPictures;
  private readonly damaged = new Set<number>();
  private readonly skips: SkipReport;
  private readonly preparations: Preparation[] = [];
  private inUse: PackedArrays | undefined;

  constructor(
    private readonly set: PictureSet,
    private readonly shape: PackedShape,
    private readonly seed: number,
    private readonly plan: Iterator<PlannedStep, void>,
    options: PreparationOptions,
  ) {
    const { workers = defaultWorkers(), ahead = 2, memoryBudget = 2 ** 31 } = options;
    if (!(Number.isSafeInteger(ahead) && ahead >= 1)) {
      throw new RangeError(`${ahead} batches ahead: give a whole number from 1 up`);
    }
    this.skips = options.skips ?? new SkipReport(set.name, console.warn);
    this.decoded = new DecodedPictures(set, memoryBudget);
    this.pool = new PicturePool(workers);
    for (let index = 0; index <= ahead; index++) this.start(allocateBatch(shape, set.channels));
  }

  /** The next batch; undefined after the last. What the one before was made in is used again. */
  async next(): Promise<PackedBatch | undefined> {
    const start = performance.now();
    if (this.inUse) this.start(this.inUse);
    const { arrays, batch } = this.preparations.shift()!;
    this.inUse = arrays;
    try {
      return await batch;
    } finally {
      this.waitSeconds += (performance.now() - start) / 1000;
    }
  }

  close(): void {
    this.pool.close();
  }

  /** Starts to make the batch after those in the making; a failure is kept for its `next`. */
  private start(arrays: PackedArrays): void {
    const batch = this.prepare(arrays);
    batch.catch(() => {});
    this.preparations.push({ arrays, batch });
  }

  private async prepare(arrays: PackedArrays): Promise<PackedBatch | undefined> {
    const planned = this.plan.next();
    if (planned.done) return undefined;
    const { step, next, sequences } = planned.value;
    const placed = layOutBatch(planned.value, this.shape, arrays);
    const isReadable = await Promise.all(placed.map((place) => this.write(place, arrays)));
    const unreadable = placed.filter((_, number) => !isReadable[number]);
    unreadable.forEach(({ slot }) => emptySlot(arrays, slot));
    const images = placed.length - unreadable.length;
    fillWeights(arrays, images);
    const counts = {
      images,
      tokens: sequences.reduce((sum, { tokens }) => sum + tokens, 0),
      shrunk: placed.filter(({ picture }) => picture.isShrunk).length,
      unreadable: unreadable.length,
      closedByImages: sequences.filter(({ isClosedByImages }) => isClosedByImages).length,
    };
    return { ...arrays, step, next, counts };
  }

  /** Writes a picture's tokens; false when it is damaged. */
  private async write(
    { picture, firstToken }: PlacedPicture,
    arrays: PackedArrays,
  ): Promise<boolean> {
    const { index, grid, tokens, position, isMirrored } = picture;
    if (this.damaged.has(index)) return false;
    const { patches, rows, columns } = arrays;
    const job: PictureJob = {
      source: this.decoded.get(index) ?? this.set.source(index),
      channels: this.set.channels,
      patch: this.shape.patch,
      grid,
      kept: { count: tokens, seed: this.seed, position },
      isMirrored,
      arrays: { patches, rows, columns },
      firstToken,
    };
    try {
      const decoded = await this.pool.run(job, this.decoded.reserve(index));
      if (decoded) this.decoded.keep(index, decoded);
      return true;
    } catch (error) {
      this.skips.add(`${this.set.name} ${this.set.pictureName(index)}`, error);
      this.damaged.add(index);
      return false;
    }
  }
}

/** How packed batches for training are made. */
export interface PackedLoaderOptions extends PackingOptions, PreparationOptions {
  /** Where to go on: `next` of the last batch that was used; the beginning unless told. */
  readonly position?: PackingPosition;
}

/** An endless source of packed batches. */
export interface PackedLoader {
  /** Seconds spent inside `next` so far: what training lost to its data. */
  readonly waitSeconds: number;
  /**
   * The batch of the next step. It stays valid until the next call; calls must not overlap.
   *
   * @throws {InputError} when not one picture of a batch can be decoded
   */
  next(): Promise<PackedBatch>;
  /** Ends the worker threads. */
  close(): void;
}

/**
 * Makes a loader for training.
 *
 * What a step gets depends on the set, the seed and the sizes alone: a loader started at the position
 * that a batch carries continues exactly where another one has stopped.
 *
 * @example
 * ```ts
 * import { openPictureSet } from "./open.ts";
 * import { createPackedLoader } from "./packed_loader.ts";
 *
 * const pictures = await openPictureSet("data/samples/clipart");
 * const loader = createPackedLoader(pictures, {
 *   sequences: 4,
 *   sequenceLength: 64,
 *   images: 16,
 *   patch: 8,
 *   seed: 1,
 *   resolution: {
 *     kind: "sampled",
 *     distribution: { kind: "uniform" },
 *     over: "side",
 *     minimum: 16,
 *     maximum: 64,
 *   },
 *   dropping: { kind: "beta", mean: 0.5, maximum: 0.9 },
 * });
 * const { patches, segments, labels, next } = await loader.next(); // next is for the checkpoint
 * loader.close();
 * ```
 *
 * @throws {RangeError} for sizes, seeds and positions that make no sense
 * @throws {InputError} for resolutions and rates out of range
 */
export function createPackedLoader(set: PictureSet, options: PackedLoaderOptions): PackedLoader {
  const plan = planTraining(set, options, options.position ?? packingStart);
  const stream = new BatchStream(set, options, options.seed, plan, options);
  return {
    get waitSeconds() {
      return stream.waitSeconds;
    },
    async next() {
      const batch = (await stream.next())!; // the plan has no end
      const { step, counts } = batch;
      if (counts.images > 0) return batch;
      throw new InputError(
        `${set.name}: none of the ${counts.unreadable} pictures of step ${step} can be decoded`,
      );
    },
    close: () => stream.close(),
  };
}

/** How packed batches for evaluation are made. */
export interface EvaluationOptions extends PackedShape, PreparationOptions {}

/**
 * Packs pictures for evaluation: in order, none of their tokens dropped, the last batch padded. A
 * batch is valid until the next one is asked for. Batches carry no positions to go on from.
 *
 * @example
 * ```ts
 * import { openPictureSet } from "./open.ts";
 * import { packForEvaluation } from "./packed_loader.ts";
 * import { largestGrid } from "./patch_grid.ts";
 *
 * const pictures = await openPictureSet("data/samples/clipart", { split: "test" });
 * const items = Array.from({ length: 10 }, (_, index) => ({
 *   index,
 *   grid: largestGrid(pictures.size(index), 32),
 * }));
 * const shape = { sequences: 2, sequenceLength: 64, images: 4, patch: 8 };
 * for await (const { labels, weights } of packForEvaluation(pictures, items, shape)) {
 *   // labels[slot] counts where weights[slot] > 0
 * }
 * ```
 *
 * A picture that cannot be decoded has no weight; so a batch may be without any.
 *
 * @throws {RangeError} for a picture larger than a sequence, or sizes that make no sense
 */
export async function* packForEvaluation(
  set: PictureSet,
  pictures: readonly EvaluationPicture[],
  options: EvaluationOptions,
): AsyncGenerator<PackedBatch> {
  const stream = new BatchStream(set, options, 0, planEvaluation(set, pictures, options), options);
  try {
    for (let batch = await stream.next(); batch; batch = await stream.next()) yield batch;
  } finally {
    stream.close();
  }
}
