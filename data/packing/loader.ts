/**
 * Packed batches for training and evaluation. The main thread plans them, worker threads decode,
 * resize and cut the pictures into memory that all share, some batches ahead of the one in use.
 *
 * @module
 */

import { InputError } from "../../base/errors.ts";
import { BatchStream, type PreparationOptions } from "./stream.ts";
import { type EvaluationPicture, planEvaluation } from "./evaluation_plan.ts";
import { type PackedBatch, type PackedShape, type PackingPosition, packingStart } from "./batch.ts";
import { type PackingOptions, planTraining } from "./plan.ts";
import type { PictureSet } from "../picture_set.ts";

export type { PreparationOptions } from "./stream.ts";
export type { EvaluationPicture } from "./evaluation_plan.ts";
export type { PackingOptions } from "./plan.ts";

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
 * import { openPictureSet } from "../open.ts";
 * import { createPackedLoader } from "./loader.ts";
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
      const { step, counts, damage } = batch;
      if (counts.images > 0) return batch;
      throw new InputError(
        `${set.name}: none of the ${counts.unreadable} pictures of step ${step} can be decoded; ` +
          `the first: ${damage}`,
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
 * import { openPictureSet } from "../open.ts";
 * import { packForEvaluation } from "./loader.ts";
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
