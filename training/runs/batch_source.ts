/**
 * Where the training loop gets its batches from, whatever they are batches of.
 *
 * @module
 */
import { createLoader, type LoaderOptions } from "../../data/order/loader.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import type { HostArray } from "../../kernels/shape.ts";

/** Where the data of a step starts, as a checkpoint keeps it; the family knows what it means. */
export type DataPosition = object;

/** What one training step is made on. */
export interface TrainingBatch {
  /** Inputs of the step's program by name, samples along the first axis. */
  readonly inputs: Readonly<Record<string, HostArray>>;
  /** Pictures in it. */
  readonly images: number;
  /** What the host knows about the batch; the metrics show means over steps. */
  readonly measures?: Readonly<Record<string, number>>;
  /** Where the batch after this one starts, if the number of the step does not tell. */
  readonly next?: DataPosition;
}

/** An endless source of batches. */
export interface BatchSource {
  /** Seconds that `next` has taken so far: what training lost to its data. */
  readonly waitSeconds: number;
  /** The batch of the next step; valid until the next call. */
  next(): Promise<TrainingBatch>;
  /** Ends whatever prepares batches. */
  close?(): void;
}

/** Batches of labelled pictures of one size: `images`, `labels`, and the numbers of the `samples`. */
export function pictureBatches(
  dataset: ImageDataset,
  options: LoaderOptions & { readonly startStep: number },
): BatchSource {
  const loader = createLoader(dataset, options);
  const { batchSize } = options;
  return {
    get waitSeconds() {
      return loader.waitSeconds;
    },
    async next() {
      const { step, images, labels } = await loader.next();
      const samples = Int32Array.from(labels, (_, index) => step * batchSize + index);
      return { inputs: { images, labels, samples }, images: batchSize };
    },
  };
}
