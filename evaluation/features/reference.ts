/**
 * Features of real samples: of a set, or what a reference batch says of them.
 *
 * @module
 */
import type { SampleStream } from "../../data/sample_stream.ts";
import { InputError } from "../../base/errors.ts";
import { NpzFile } from "../../formats/tensors/npz.ts";
import { collectFeatures, type CollectProgress } from "./collect.ts";
import type { ExtractorDescription, FeatureExtractor } from "./extractor.ts";
import type { RealFeatures } from "./measures.ts";
import { readReferenceStatistics, type ReferenceStatistics } from "./reference_batch.ts";

/** How a reference is read. */
export interface ReferenceOptions<Sample> {
  /** Opens its samples; not called where an archive has statistics only. */
  readonly open: () => Promise<SampleStream<Sample>>;
  /** Hears of how many samples features are computed, and gives what hears how far that is. */
  readonly started?: (samples: number) => CollectProgress;
  /** Asks to stop between two batches. */
  readonly signal?: AbortSignal;
}

/** Real samples by name. */
export interface Reference extends RealFeatures {
  /** The path of the set or batch. */
  readonly name: string;
}

/**
 * Features of the samples of a set or an archive. Statistics that an archive has are taken as they are
 * where they are the extractor's; those of another one are left aside.
 *
 * @throws InputError when there is nothing that the extractor can be compared with, or one sample only
 */
export async function readReference<Sample>(
  extractor: FeatureExtractor<Sample>,
  path: string,
  { open, started, signal }: ReferenceOptions<Sample>,
): Promise<Reference> {
  const archive = /\.npz$/i.test(path) ? await readArchive(path) : undefined;
  const statistics = archive && ownStatistics(archive.statistics, extractor.description);
  if (archive && !archive.hasSamples) {
    if (statistics) return { name: path, ...statistics };
    throw new InputError(
      `${path}: has no samples (arr_0), and no statistics of ${extractor.description.path}`,
    );
  }
  const stream = await open();
  if (stream.count < 2) {
    throw new InputError(`${path}: holds ${stream.count} samples, a reference needs 2 or more`);
  }
  const progress = started?.(stream.count);
  const summary = await collectFeatures(extractor, stream.samples(), { progress, signal });
  const kept = summary.kept();
  if (statistics) return { name: path, ...statistics, kept };
  const own = { pooled: summary.pooled(), spatial: summary.spatial(), count: summary.count };
  return { name: path, ...own, kept };
}

async function readArchive(
  path: string,
): Promise<{ readonly statistics: ReferenceStatistics; readonly hasSamples: boolean }> {
  const statistics = await readReferenceStatistics(path);
  using file = await NpzFile.open(path);
  return { statistics, hasSamples: file.names.includes("arr_0") };
}

/** The statistics of an archive, if there are any and they are those of an extractor. */
function ownStatistics(
  { pooled, spatial, extractor }: ReferenceStatistics,
  { hash, standard }: ExtractorDescription,
): RealFeatures | undefined {
  const isOwn = extractor === undefined ? standard === "FID" : extractor === hash;
  return pooled && isOwn ? { pooled, spatial } : undefined;
}
