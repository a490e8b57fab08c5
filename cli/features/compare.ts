/**
 * Comparing generated pictures with real ones, whatever they are and come from.
 *
 * @module
 */
import { openPictureStream } from "../../data/picture_stream.ts";
import { collectFeatures } from "../../evaluation/features/collect.ts";
import type { FeatureExtractor } from "../../evaluation/features/extractor.ts";
import { measureFeatures } from "../../evaluation/features/measures.ts";
import { readReference, type Reference } from "../../evaluation/features/reference.ts";
import { writeReferenceBatch } from "../../evaluation/features/reference_batch.ts";
import type { FeatureSummary } from "../../evaluation/features/summary.ts";
import type { Bitmap } from "../../formats/pictures/bitmap.ts";
import type { Values } from "../flags/flags.ts";
import type { progressFlags } from "../flags/options.ts";
import { recordedData } from "../families/recorded_data.ts";
import { progressInterval } from "../families/sampling.ts";
import type { reportFlags } from "../bench/sweep.ts";
import type { Io } from "../terminal/io.ts";
import { opened } from "../runs/prepare.ts";
import { Progress } from "../terminal/progress.ts";
import type { featureFlags } from "./flags.ts";
import { type Compared, reportMeasures } from "./report.ts";

/** The flags that a comparison reads. */
export type ComparisonValues = Values<
  typeof featureFlags & typeof progressFlags & typeof reportFlags
>;

/** The real pictures. */
export interface RealPictures {
  /** A data set, a folder, an archive or a reference batch. */
  readonly path: string;
  /** Side that they are cropped to; as they are when absent. */
  readonly imageSize?: number;
  /** The part of a set that is divided. */
  readonly split?: "train" | "test";
  /** Whether a run has recorded the path, and nobody gave it. */
  readonly isRecorded?: boolean;
}

/** The generated pictures. */
export interface GeneratedPictures extends Omit<Compared, "reference"> {
  /** How many. */
  readonly count: number;
  /** The pictures in order. */
  readonly pictures: Iterable<Bitmap> | AsyncIterable<Bitmap>;
}

/** What shows how far features are. */
export function featureProgress(io: Io, quiet: boolean, noun: string, total: number) {
  return new Progress(io, { noun, total, columns: {}, quiet, interval: progressInterval });
}

/** Features of real pictures, with progress; their statistics are kept if that is asked for. */
export async function realFeatures(
  io: Io,
  values: ComparisonValues,
  extractor: FeatureExtractor,
  { path, imageSize, split, isRecorded = false }: RealPictures,
  signal: AbortSignal,
): Promise<Reference> {
  let progress: Progress<never> | undefined;
  const settings = { count: values.referenceCount, imageSize, split };
  const reading = readReference(extractor, path, {
    signal,
    open: () =>
      opened(io, values.quiet, (events) => openPictureStream(path, { ...settings, ...events })),
    started: (count) => {
      progress = featureProgress(io, values.quiet, "real picture", count);
      return (done) => progress?.update(done);
    },
  });
  const reference = await recordedData(isRecorded ? undefined : path, reading)
    .finally(() => progress?.end());
  if (values.saveReference !== undefined) {
    const { pooled, spatial } = reference;
    const statistics = { pooled, spatial, extractor: extractor.description.hash };
    await writeReferenceBatch(values.saveReference, undefined, () => statistics);
    io.tell(`reference batch: ${values.saveReference}`);
  }
  return reference;
}

/** Features of generated pictures, with progress. */
export async function generatedFeatures(
  io: Io,
  { quiet }: ComparisonValues,
  extractor: FeatureExtractor,
  { count, pictures }: GeneratedPictures,
  signal: AbortSignal,
): Promise<FeatureSummary> {
  const progress = featureProgress(io, quiet, "picture", count);
  return await collectFeatures(extractor, pictures, (done) => progress.update(done), signal)
    .finally(() => progress.end());
}

/** Compares and reports. */
export async function comparePictures(
  io: Io,
  values: ComparisonValues,
  extractor: FeatureExtractor,
  real: RealPictures,
  generated: GeneratedPictures,
  signal: AbortSignal,
): Promise<void> {
  const reference = await realFeatures(io, values, extractor, real, signal);
  const summary = await generatedFeatures(io, values, extractor, generated, signal);
  const measures = measureFeatures(extractor.description, reference, summary);
  const { samples, making } = generated;
  const compared = { samples, making, reference: reference.name };
  await reportMeasures(io, values, extractor.description, compared, measures);
}
