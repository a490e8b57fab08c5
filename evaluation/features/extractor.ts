/**
 * What turns pictures or clips into features, by which two sets of them are compared.
 *
 * @module
 */
import { normalizeName } from "../../base/names.ts";
import type { Bitmap } from "../../formats/pictures/bitmap.ts";
import type { FeatureMatrix } from "../../metrics/features/feature_matrix.ts";

/** What every line says with a number that hangs on it. */
export interface ExtractorDescription {
  /** Which network, in a few words. */
  readonly name: string;
  /** Its file. */
  readonly path: string;
  /** SHA-256 of its weights. */
  readonly hash: string;
  /** How samples get the size that it takes. */
  readonly resize: string;
  /**
   * What the Frechet distance of its features is called, if it is the network that this is defined by.
   * What is measured by any other is called after it, so that nobody takes one number for the other.
   */
  readonly standard?: "FID" | "FVD";
  /** What its classifier tells apart, in the order of the logits, where that is known. */
  readonly classNames?: readonly string[];
}

/** Features of samples, a row each. */
export interface ExtractedFeatures {
  /** One vector a sample. */
  readonly pooled: FeatureMatrix;
  /** With the places they are at, flattened. */
  readonly spatial?: FeatureMatrix;
  /** What a classifier says of them. */
  readonly logits?: FeatureMatrix;
}

/** A network on a device. Free it, or declare it with `using`. */
export interface FeatureExtractor<Sample = Bitmap> extends Disposable {
  /** What it is. */
  readonly description: ExtractorDescription;
  /** Most samples at a time. */
  readonly batch: number;
  /**
   * Features of samples, in order.
   *
   * @param samples at most {@link batch} of them
   */
  extract(samples: readonly Sample[]): Promise<ExtractedFeatures>;
}

/**
 * Labels of a model as the classifier of an extractor numbers them.
 *
 * @param names the model's classes, in the order of its labels
 * @returns undefined unless the classifier knows each of the classes by its name
 */
export function classifierClasses(
  { classNames }: ExtractorDescription,
  names: readonly string[],
  labels: readonly number[],
): number[] | undefined {
  const known = classNames?.map(normalizeName);
  if (!known) return undefined;
  const classes = labels.map((label) => known.indexOf(normalizeName(names[label] ?? "")));
  return classes.includes(-1) ? undefined : classes;
}
