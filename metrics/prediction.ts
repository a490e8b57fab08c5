/**
 * What a classifier said about an image, kept in four numbers: accuracy, calibration and cascades
 * need no more, so that logits can be dropped batch by batch.
 *
 * @module
 */
import { InputError } from "../base/errors.ts";
import { type Activation, probabilities } from "./probabilities.ts";

/** A classifier puts out what is no number. */
export class NonFiniteLogitError extends Error {
  /** Shown before the message. */
  override readonly name = "NonFiniteLogitError";
  /** Exit code of the command line. */
  readonly exitCode = 3;
}

/** The answer of a classifier to one image. */
export interface Prediction {
  /** The right class. */
  readonly label: number;
  /** The class with the largest logit; the first one of several equal ones. */
  readonly predicted: number;
  /** How many classes come before the right one: 0 when the image is classified correctly. */
  readonly rank: number;
  /** Probability of the predicted class, 0 to 1. */
  readonly confidence: number;
}

/** Logits and labels of some images. */
export interface LabelledLogits {
  /** (images, classes), row-major. */
  readonly logits: ArrayLike<number>;
  /** (images), whole numbers from 0 to `classes` - 1. */
  readonly labels: ArrayLike<number>;
  /** Number of classes. */
  readonly classes: number;
}

/**
 * Reads predictions from logits. Equal logits are ordered by their class, the first before the last.
 *
 * @returns one prediction an image, in the order of the labels
 * @throws {RangeError} when there are not as many logits as images times classes
 * @throws {InputError} when a logit is not finite or a label is not a class
 *
 * @example
 * ```ts
 * import { predict } from "./prediction.ts";
 *
 * const [first] = predict({ logits: [0, 2, 1], labels: [2], classes: 3 }, "softmax");
 * first.predicted; // 1
 * first.rank; // 1: one class comes before the right one
 * ```
 */
export function predict(
  { logits, labels, classes }: LabelledLogits,
  activation: Activation,
): Prediction[] {
  if (logits.length !== labels.length * classes) {
    throw new RangeError(
      `${labels.length} images of ${classes} classes do not have ${logits.length} logits`,
    );
  }
  return Array.from(labels, (label, image) => {
    const scores = Float64Array.from(
      { length: classes },
      (_, index) => logits[image * classes + index],
    );
    checkImage(image, label, scores);
    const predicted = firstLargest(scores);
    const confidence = probabilities(scores, activation)[predicted];
    return { label, predicted, rank: rankOf(label, scores), confidence };
  });
}

function checkImage(image: number, label: number, scores: Float64Array): void {
  if (!Number.isInteger(label) || label < 0 || label >= scores.length) {
    throw new RangeError(
      `image ${image} has label ${label}, the classes go from 0 to ${scores.length - 1}`,
    );
  }
  const bad = scores.findIndex((score) => !Number.isFinite(score));
  if (bad >= 0) {
    throw new NonFiniteLogitError(`image ${image}: the logit of class ${bad} is ${scores[bad]}`);
  }
}

/** Index of the largest value, the first one of several equal ones. */
export function firstLargest(values: ArrayLike<number>): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) {
    if (values[index] > values[best]) best = index;
  }
  return best;
}

/** How many classes come before `label`. */
function rankOf(label: number, scores: Float64Array): number {
  let rank = 0;
  for (let other = 0; other < scores.length; other++) {
    const isBefore = scores[other] > scores[label] ||
      (scores[other] === scores[label] && other < label);
    if (isBefore) rank++;
  }
  return rank;
}

/** Fails where there is nothing to take the mean of. */
export function requireImages(predictions: readonly Prediction[]): void {
  if (predictions.length === 0) {
    throw new InputError("no images to evaluate: the data set is empty");
  }
}

/**
 * Fails where predictions cannot be compared image by image.
 *
 * @param names what was compared, for the message: "64 tokens and 128 tokens"
 */
export function requireSameImages(
  one: readonly Prediction[],
  other: readonly Prediction[],
  names: string,
): void {
  const isSame = one.length === other.length &&
    one.every(({ label }, index) => label === other[index].label);
  if (!isSame) throw new RangeError(`${names} were not measured on the same images`);
}
