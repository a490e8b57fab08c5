/**
 * Packed batches for training and evaluation, prepared ahead by worker threads.
 *
 * @module
 */

import type { PackedBatch, PackedShape, PackingPosition } from "./packed_batch.ts";
import type { PatchGrid } from "./patch_grid.ts";
import type { PictureSet } from "./picture_set.ts";
import type { Resolution } from "./resolution.ts";
import type { TokenDropping } from "./token_dropping.ts";

/** How batches are prepared. */
export interface PreparationOptions extends PackedShape {
  /** Worker threads, at least 1; half of the cores, at most 4, unless told. Changes no bit. */
  readonly workers?: number;
  /** Batches ready or in work ahead of the one in use, at least 1; 2 unless told. */
  readonly ahead?: number;
  /** Bytes of decoded pictures kept in memory; 2 GiB unless told. */
  readonly memoryBudget?: number;
  /** Gets a line for each of the first damaged pictures; standard error unless told. */
  readonly warn?: (line: string) => void;
}

/** How pictures are chosen, sized, thinned out and packed for training. */
export interface PackedLoaderOptions extends PreparationOptions {
  /** Seed of all that is drawn, a whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  /** At which resolution pictures are seen. */
  readonly resolution: Resolution;
  /** Whether pictures are squashed to squares instead of keeping their aspect ratio; false unless told. */
  readonly square?: boolean;
  /** How tokens are dropped; none unless told. */
  readonly dropping?: TokenDropping;
  /** Whether to mirror half of the pictures, left to right; false unless told. */
  readonly flip?: boolean;
  /**
   * Sequences G that are filled at the same time: a multiple of `sequences`. The least one from 64
   * up unless told.
   */
  readonly openSequences?: number;
  /** Where to go on; the beginning unless told. */
  readonly position?: PackingPosition;
}

/** An endless source of packed batches. */
export interface PackedLoader {
  /** Seconds spent inside `next` so far: what training lost to its data. */
  readonly waitSeconds: number;
  /** The batch of the next step, valid until the next call. Calls must not overlap. */
  next(): Promise<PackedBatch>;
  /** Ends the worker threads. */
  close(): void;
}

/** Makes a loader for training. */
export function createPackedLoader(_set: PictureSet, _options: PackedLoaderOptions): PackedLoader {
  throw new Error("being written");
}

/** A picture to evaluate. */
export interface EvaluationPicture {
  /** Index in the data set. */
  readonly index: number;
  /** Its patches. */
  readonly grid: PatchGrid;
}

/**
 * Packs pictures for evaluation: in order, none dropped, the last batch padded. A batch is valid
 * until the next one is asked for.
 */
// deno-lint-ignore require-yield
export async function* packForEvaluation(
  _set: PictureSet,
  _pictures: readonly EvaluationPicture[],
  _options: PreparationOptions,
): AsyncGenerator<PackedBatch> {
  await Promise.reject(new Error("being written"));
}
