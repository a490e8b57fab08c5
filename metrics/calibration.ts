/**
 * Calibration: whether a classifier that is 80 % sure is right in 80 % of the cases.
 *
 * The expected calibration error as in NaViT's Table 4: on the probability of the
 * predicted class, in 30 buckets of equal width, the absolute difference of confidence and accuracy
 * weighted by images.
 *
 * @module
 */
import { type Prediction, requireImages } from "./prediction.ts";

/** The images whose confidence lies in one interval; one point of a reliability diagram. */
export interface CalibrationBucket {
  /** Least confidence in the bucket. */
  readonly low: number;
  /** Where the next bucket starts; the last bucket holds 1 too. */
  readonly high: number;
  /** Images in the bucket. */
  readonly images: number;
  /** Their mean confidence; absent without images. */
  readonly confidence?: number;
  /** Share that is classified correctly; absent without images. */
  readonly accuracy?: number;
}

/**
 * Sorts predictions into buckets of equal width over their confidence.
 *
 * @param count number of buckets
 * @throws {InputError} when there are no images
 * @throws {RangeError} when `count` is not a whole number from 1 up
 */
export function calibrationBuckets(
  predictions: readonly Prediction[],
  count = 30,
): CalibrationBucket[] {
  requireImages(predictions);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(`${count} calibration buckets: give a whole number from 1 up`);
  }
  const sums = Array.from({ length: count }, () => ({ images: 0, confidence: 0, correct: 0 }));
  for (const { confidence, rank } of predictions) {
    const sum = sums[Math.min(Math.floor(confidence * count), count - 1)];
    sum.images++;
    sum.confidence += confidence;
    if (rank === 0) sum.correct++;
  }
  return sums.map(({ images, confidence, correct }, index) => ({
    low: index / count,
    high: (index + 1) / count,
    images,
    ...(images > 0 ? { confidence: confidence / images, accuracy: correct / images } : {}),
  }));
}

/**
 * The expected calibration error, 0 (calibrated) to 1.
 *
 * @param buckets as `calibrationBuckets` gives them, with at least one image
 */
export function calibrationError(buckets: readonly CalibrationBucket[]): number {
  let [images, error] = [0, 0];
  for (const bucket of buckets) {
    const { confidence = 0, accuracy = 0 } = bucket;
    images += bucket.images;
    error += bucket.images * Math.abs(accuracy - confidence);
  }
  return error / images;
}
