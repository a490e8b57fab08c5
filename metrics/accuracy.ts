/**
 * Accuracy of a classifier: over all images and class by class.
 *
 * @module
 */
import { type Prediction, requireImages } from "./prediction.ts";

/**
 * Share of the images whose class is among the first `k` predicted, 0 to 1.
 *
 * @param k a whole number from 1 up; with as many as there are classes the accuracy is 1
 * @throws {InputError} when there are no images
 * @throws {RangeError} when `k` is not such a number
 */
export function topAccuracy(predictions: readonly Prediction[], k = 1): number {
  requireImages(predictions);
  if (!Number.isSafeInteger(k) || k < 1) {
    throw new RangeError(`top-${k} accuracy does not exist: give a whole number from 1 up`);
  }
  return predictions.filter(({ rank }) => rank < k).length / predictions.length;
}

/** A lower and an upper end. */
export type Interval = readonly [low: number, high: number];

/** How many standard errors of a normal distribution hold 95 % of it, to each side. */
export const intervalReach = 1.959963984540054;

/**
 * The 95 % interval of an accuracy measured on independent images, 0 to 1: Wilson's score interval,
 * which also says something where none or all are right (0 of 19: 0 to 0.17).
 *
 * @param accuracy 0 to 1
 * @param images how many it was measured on, at least 1
 *
 * @example
 * ```ts
 * import { accuracyInterval } from "./accuracy.ts";
 *
 * accuracyInterval(0.9, 100); // about [0.83, 0.94]
 * ```
 */
export function accuracyInterval(accuracy: number, images: number): Interval {
  const share = intervalReach ** 2 / images;
  const middle = accuracy + share / 2;
  const reach = Math.sqrt(share * (accuracy * (1 - accuracy) + share / 4));
  return [Math.max(0, middle - reach) / (1 + share), Math.min(1, (middle + reach) / (1 + share))];
}

/** How the images of one class fared. */
export interface ClassRow {
  /** Name of the class. */
  readonly name: string;
  /** Images of the class. */
  readonly images: number;
  /** Those that were classified correctly. */
  readonly correct: number;
  /** Share of the class's images that were classified correctly; absent without images. */
  readonly accuracy?: number;
  /** Images of any class that were taken for this one. */
  readonly predicted: number;
}

/**
 * Accuracy class by class, in the order of the classes.
 *
 * @param names of the classes
 * @throws {RangeError} when a label or a predicted class has no name
 */
export function classTable(
  predictions: readonly Prediction[],
  names: readonly string[],
): ClassRow[] {
  const counts = names.map(() => ({ images: 0, correct: 0, predicted: 0 }));
  for (const { label, predicted } of predictions) {
    const unnamed = [label, predicted].find((index) => counts[index] === undefined);
    if (unnamed !== undefined) {
      throw new RangeError(`class ${unnamed} has no name: there are ${names.length} names`);
    }
    counts[label].images++;
    counts[predicted].predicted++;
    if (label === predicted) counts[label].correct++;
  }
  return counts.map(({ images, correct, predicted }, index) => ({
    name: names[index],
    images,
    correct,
    ...(images > 0 ? { accuracy: correct / images } : {}),
    predicted,
  }));
}
