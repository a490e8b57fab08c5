/**
 * Comparing generated samples with real ones, whatever they are and come from.
 *
 * @module
 */
import type { SampleStream } from "../../data/sample_stream.ts";
import { collectFeatures } from "../../evaluation/features/collect.ts";
import type { FeatureExtractor } from "../../evaluation/features/extractor.ts";
import { type Measure, measureFeatures } from "../../evaluation/features/measures.ts";
import { readReference, type Reference } from "../../evaluation/features/reference.ts";
import { writeReferenceBatch } from "../../evaluation/features/reference_batch.ts";
import type { FeatureSummary } from "../../evaluation/features/summary.ts";
import type { Values } from "../flags/flags.ts";
import type { progressFlags } from "../flags/options.ts";
import { recordedData } from "../families/recorded_data.ts";
import { progressInterval } from "../families/sampling.ts";
import type { Io } from "../terminal/io.ts";
import { Progress } from "../terminal/progress.ts";
import type { featureFlags } from "./flags.ts";

/** The flags that a comparison reads. */
export type ComparisonValues = Values<typeof featureFlags & typeof progressFlags>;

/** The real samples. */
export interface RealSamples<Sample> {
  /** A data set, a folder, an archive or a reference batch. */
  readonly path: string;
  /** Whether a run has recorded the path, and nobody gave it. */
  readonly isRecorded?: boolean;
  /** Opens them. */
  open(): Promise<SampleStream<Sample>>;
}

/** The generated samples. */
export interface GeneratedSamples<Sample> {
  /** How many. */
  readonly count: number;
  /** The samples in order. */
  readonly samples: Iterable<Sample> | AsyncIterable<Sample>;
  /** The class that each is to show, as the classifier of the extractor numbers them, if it knows them. */
  readonly classes?: readonly number[];
}

/** What is measured, and against what. */
export interface Comparison {
  readonly reference: string;
  readonly measures: readonly Measure[];
}

/** What shows how far features are. */
const featureProgress = (io: Io, quiet: boolean, noun: string, total: number): Progress<never> =>
  new Progress(io, { noun, total, columns: {}, quiet, interval: progressInterval });

/** Two sets of samples, and what they are compared by. */
export interface ComparedSamples<Sample> {
  readonly extractor: FeatureExtractor<Sample>;
  readonly real: RealSamples<Sample>;
  readonly generated: GeneratedSamples<Sample>;
  /** What a sample is called. */
  readonly noun: string;
  /** Asks to stop between two batches. */
  readonly signal: AbortSignal;
}

/** Features of real samples, with progress; their statistics are kept if that is asked for. */
async function realFeatures<Sample>(
  io: Io,
  { quiet, saveReference }: ComparisonValues,
  { extractor, real: { path, open, isRecorded = false }, noun, signal }: ComparedSamples<Sample>,
): Promise<Reference> {
  let progress: Progress<never> | undefined;
  const reading = readReference(extractor, path, {
    signal,
    open,
    started: (count) => {
      progress = featureProgress(io, quiet, `real ${noun}`, count);
      return (done) => progress?.update(done);
    },
  });
  const reference = await recordedData(isRecorded ? undefined : path, reading)
    .finally(() => progress?.end());
  if (saveReference !== undefined) {
    const { pooled, spatial } = reference;
    const statistics = { pooled, spatial, extractor: extractor.description.hash };
    await writeReferenceBatch(saveReference, undefined, () => statistics);
    io.tell(`reference batch: ${saveReference}`);
  }
  return reference;
}

/** Features of generated samples, with progress. */
async function generatedFeatures<Sample>(
  io: Io,
  { quiet }: ComparisonValues,
  { extractor, generated: { count, samples, classes }, noun, signal }: ComparedSamples<Sample>,
): Promise<FeatureSummary> {
  const shown = featureProgress(io, quiet, noun, count);
  const progress = (done: number) => shown.update(done);
  return await collectFeatures(extractor, samples, { progress, signal, classes })
    .finally(() => shown.end());
}

/** Compares samples. */
export async function compareSamples<Sample>(
  io: Io,
  values: ComparisonValues,
  compared: ComparedSamples<Sample>,
): Promise<Comparison> {
  const reference = await realFeatures(io, values, compared);
  const summary = await generatedFeatures(io, values, compared);
  const { extractor: { description }, noun } = compared;
  if (!values.quiet) io.tell(`comparing the features of ${summary.count} ${noun}s`);
  return { reference: reference.name, measures: measureFeatures(description, reference, summary) };
}
