/**
 * From samples that come one after the other to what is kept of their features.
 *
 * @module
 */
import { NonFiniteFeatureError } from "../../metrics/features/feature_matrix.ts";
import type { FeatureExtractor } from "./extractor.ts";
import { FeatureSummary } from "./summary.ts";

/** Called behind every batch with the samples that are done. */
export type CollectProgress = (done: number) => void;

/** What is told of samples whose features are collected, and who is told. */
export interface CollectOptions {
  /** Is told of every batch. */
  readonly progress?: CollectProgress;
  /** Asks to stop between two batches. */
  readonly signal?: AbortSignal;
  /** The class that each sample is to show, as the extractor's classifier numbers them. */
  readonly classes?: readonly number[];
}

/**
 * Features of samples, in batches of the extractor.
 *
 * @throws NonFiniteFeatureError naming the extractor, when it puts out what is no number
 */
export async function collectFeatures<Sample>(
  extractor: FeatureExtractor<Sample>,
  samples: Iterable<Sample> | AsyncIterable<Sample>,
  { progress, signal, classes }: CollectOptions = {},
): Promise<FeatureSummary> {
  const summary = new FeatureSummary(classes);
  let batch: Sample[] = [];
  const take = async (): Promise<void> => {
    if (batch.length === 0) return;
    await extractBatch(extractor, batch, summary);
    batch = [];
    progress?.(summary.count);
    // Signals are heard between batches.
    await new Promise((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
  };
  for await (const sample of samples) {
    batch.push(sample);
    if (batch.length === extractor.batch) await take();
  }
  await take();
  return summary;
}

async function extractBatch<Sample>(
  extractor: FeatureExtractor<Sample>,
  batch: readonly Sample[],
  summary: FeatureSummary,
): Promise<void> {
  try {
    summary.add(await extractor.extract(batch));
  } catch (error) {
    if (!(error instanceof NonFiniteFeatureError)) throw error;
    const first = `samples ${summary.count} to ${summary.count + batch.length - 1}`;
    throw new NonFiniteFeatureError(`${extractor.description.path}: ${first}: ${error.message}`, {
      cause: error,
    });
  }
}
