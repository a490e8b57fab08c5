/**
 * Batches for training: shuffled, mirrored, read one batch ahead into recycled memory.
 *
 * @module
 */

import { type ImageDataset, pictureLength } from "../dataset.ts";
import { EpochSampler, isFlipped } from "./sampler.ts";

/** One batch. Its arrays are the loader's and are overwritten by the call of `next` after the next. */
export interface Batch {
  /** The training step it belongs to. */
  readonly step: number;
  /** (batch, channels, height, width), row-major, in [-1, 1]; clips: (batch, channels, frames, ...). */
  readonly images: Float32Array;
  /** Classes of the pictures. */
  readonly labels: Int32Array;
  /** Which pictures of the data set these are. */
  readonly indices: Uint32Array;
}

/** What a loader does. */
export interface LoaderOptions {
  /** Seed of order and mirroring, a whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  /** Pictures a batch, at least 1; may exceed the data set. */
  readonly batchSize: number;
  /** The step of the first batch; 0 unless told. */
  readonly startStep?: number;
  /** Whether to mirror half of the pictures, left to right; false unless told. */
  readonly flip?: boolean;
}

/** An endless source of batches. */
export interface Loader {
  /** Seconds spent inside `next` so far: what training lost to its data. */
  readonly waitSeconds: number;
  /**
   * The batch of the next step; reading of the one after it starts at once.
   *
   * The batch stays valid until the next call of `next`. Calls must not overlap.
   */
  next(): Promise<Batch>;
}

/** Mirrors a picture of (channels, height, width) values that starts at `start`, left to right. */
function mirror(images: Float32Array, start: number, length: number, width: number): void {
  for (let row = start; row < start + length; row += width) {
    images.subarray(row, row + width).reverse();
  }
}

/**
 * Makes a loader.
 *
 * What batch a step gets depends on the data set, seed, batch size and step alone: a loader started
 * at step s continues exactly where another one has stopped.
 *
 * @example
 * ```ts
 * import { createLoader } from "./loader.ts";
 * import { openDataset } from "../open.ts";
 *
 * const dataset = await openDataset("data/samples/fashion");
 * const loader = createLoader(dataset, { seed: 1, batchSize: 64 });
 * const { images, labels } = await loader.next();
 * ```
 */
export function createLoader(dataset: ImageDataset, options: LoaderOptions): Loader {
  const { seed, batchSize, startStep = 0, flip = false } = options;
  const sampler = new EpochSampler(seed, dataset.length, batchSize);
  const length = pictureLength(dataset);

  const buffers = Array.from({ length: 2 }, () => ({
    images: new Float32Array(batchSize * length),
    labels: new Int32Array(batchSize),
    indices: new Uint32Array(batchSize),
  }));

  async function read(step: number): Promise<Batch> {
    const { images, labels, indices } = buffers[step % 2];
    sampler.fillBatch(step, indices);
    indices.forEach((index, position) => labels[position] = dataset.label(index));
    const first = sampler.firstPosition(step);
    const flipped = Array.from(indices.keys())
      .filter((position) => flip && isFlipped(seed, first + position));
    const { mirrorOf } = dataset;
    const wanted = indices.slice();
    if (mirrorOf) flipped.forEach((position) => wanted[position] = mirrorOf(indices[position]));
    await dataset.read(wanted, images);
    for (const position of mirrorOf ? [] : flipped) {
      mirror(images, position * length, length, dataset.width);
    }
    return { step, images, labels, indices };
  }

  /** Starts reading a step; a failure is kept for the `next` that asks for it. */
  function prefetch(step: number): Promise<Batch> {
    const reading = read(step);
    reading.catch(() => {});
    return reading;
  }

  let ahead = prefetch(startStep);
  let waited = 0;
  return {
    get waitSeconds() {
      return waited;
    },
    async next() {
      const start = performance.now();
      const batch = await ahead;
      ahead = prefetch(batch.step + 1);
      // Counted after the prefetch has started: a data set in memory is read within that call.
      waited += (performance.now() - start) / 1000;
      return batch;
    },
  };
}
