/**
 * The linear probe: how well a linear classifier of frozen features does that has seen a few images
 * a class (the recipe of big_vision, the code base of the ViT papers).
 *
 * Features are whitened one by one with the mean and deviation of the shots, a constant of 100 is
 * appended as the bias, and the classifier is the ridge regression onto targets of 1 for the class
 * and -1 for the others. Nothing is random but which images are the shots.
 *
 * @module
 */
import { InputError } from "../base/errors.ts";
import { firstLargest } from "./prediction.ts";
import { type Matrix, solveRidge, zeros } from "./ridge.ts";
import { chooseShots } from "./shots.ts";
import { summarize } from "../base/statistics.ts";

/** Features of images, with their classes. */
export interface LabelledFeatures {
  /** (images, width), row-major, finite. */
  readonly features: ArrayLike<number>;
  /** (images), whole numbers from 0 to the number of classes - 1. */
  readonly labels: ArrayLike<number>;
}

/** What a probe can be told. */
export interface ProbeOptions {
  /** Images a class; 10 if not given. */
  readonly shots?: number;
  /** Of the choices of shots; 0, 1, 2 if not given. */
  readonly seeds?: readonly number[];
  /** λ of the regression; 2^10 if not given. */
  readonly ridge?: number;
}

/** How well a probe did. */
export interface ProbeResult {
  /** Images a class. */
  readonly shots: number;
  /** λ of the regression. */
  readonly ridge: number;
  /** Classes told apart. */
  readonly classes: number;
  /** Test images. */
  readonly images: number;
  /** One run a seed. */
  readonly runs: readonly { readonly seed: number; readonly accuracy: number }[];
  /** Mean accuracy, 0 to 1. */
  readonly mean: number;
  /** Standard deviation of the accuracies; 0 for a single seed. */
  readonly deviation: number;
}

/** The constant feature: large, so that the ridge hardly holds the bias back. */
const biasFeature = 100;

/** Keeps features that are the same in all shots from becoming infinite. */
const leastDeviation = 1e-5;

/**
 * Trains and tests a probe for each seed.
 *
 * @param train images to choose shots from
 * @param test images to classify, with features of the same width
 * @param classNames names of the classes, for messages; their number is the number of classes
 * @throws {InputError} when a class has too few images, a feature is not finite, or there are
 *   no test images
 * @throws {RangeError} when an option is out of range
 */
export function linearProbe(
  train: LabelledFeatures,
  test: LabelledFeatures,
  classNames: readonly string[],
  options: ProbeOptions = {},
): ProbeResult {
  const { shots = 10, seeds = [0, 1, 2], ridge = 2 ** 10 } = options;
  if (!(ridge > 0)) throw new RangeError(`ridge ${ridge} of the linear probe is not above 0`);
  if (seeds.length === 0) throw new RangeError("the linear probe needs at least one seed");
  const candidates = featureMatrix(train, "training");
  const questions = featureMatrix(test, "test");
  if (candidates.columns !== questions.columns) {
    throw new RangeError(`features of widths ${candidates.columns} and ${questions.columns}`);
  }
  const runs = seeds.map((seed) => {
    const chosen = chooseShots(train.labels, classNames, shots, seed);
    const labels = chosen.map((index) => train.labels[index]);
    const classify = fitProbe(takeRows(candidates, chosen), labels, classNames.length, ridge);
    const correct = classify(questions).filter((predicted, index) =>
      predicted === test.labels[index]
    );
    return { seed, accuracy: correct.length / questions.rows };
  });
  const { mean, deviation } = summarize(runs.map(({ accuracy }) => accuracy));
  const classes = classNames.length;
  return { shots, ridge, classes, images: questions.rows, runs, mean, deviation };
}

/**
 * Fits the classifier.
 *
 * @param shots (images, width)
 * @param labels (images)
 * @returns a function that gives the class of each row of features of the same width
 */
export function fitProbe(
  shots: Matrix,
  labels: readonly number[],
  classes: number,
  ridge: number,
): (features: Matrix) => number[] {
  const prepare = whitening(shots);
  const weights = solveRidge(prepare(shots), signedOneHot(labels, classes), ridge);
  return (features) => classifyRows(prepare(features), weights);
}

function featureMatrix({ features, labels }: LabelledFeatures, what: string): Matrix {
  const rows = labels.length;
  if (rows === 0) throw new InputError(`the linear probe has no ${what} images`);
  const columns = features.length / rows;
  if (!Number.isInteger(columns)) {
    throw new RangeError(`${rows} ${what} images do not have ${features.length} features`);
  }
  const values = Float64Array.from(features);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const [image, feature] = [Math.floor(bad / columns), bad % columns];
    throw new InputError(`feature ${feature} of ${what} image ${image} is ${values[bad]}`);
  }
  return { rows, columns, values };
}

function takeRows({ columns, values }: Matrix, rows: readonly number[]): Matrix {
  const taken = zeros(rows.length, columns);
  rows.forEach((row, index) => {
    taken.values.set(values.subarray(row * columns, (row + 1) * columns), index * columns);
  });
  return taken;
}

/** A function that whitens features as these need it, and appends the constant. */
function whitening(shots: Matrix): (features: Matrix) => Matrix {
  const { rows, columns, values } = shots;
  const mean = new Float64Array(columns);
  values.forEach((value, index) => mean[index % columns] += value / rows);
  const variance = new Float64Array(columns);
  values.forEach((value, index) => {
    variance[index % columns] += (value - mean[index % columns]) ** 2 / rows;
  });
  const deviation = variance.map((value) => Math.sqrt(value) + leastDeviation);
  return (features) => {
    const whitened = zeros(features.rows, columns + 1);
    for (let row = 0; row < features.rows; row++) {
      const start = row * (columns + 1);
      for (let column = 0; column < columns; column++) {
        const value = features.values[row * columns + column];
        whitened.values[start + column] = (value - mean[column]) / deviation[column];
      }
      whitened.values[start + columns] = biasFeature;
    }
    return whitened;
  };
}

/** 1 for the class, -1 for the others: (images, classes). */
function signedOneHot(labels: readonly number[], classes: number): Matrix {
  const targets = zeros(labels.length, classes);
  targets.values.fill(-1);
  labels.forEach((label, row) => targets.values[row * classes + label] = 1);
  return targets;
}

/** The class of each row: the one with the largest score, the first one of several equal ones. */
function classifyRows(features: Matrix, weights: Matrix): number[] {
  const scores = new Float64Array(weights.columns);
  return Array.from({ length: features.rows }, (_, row) => {
    scores.fill(0);
    for (let column = 0; column < features.columns; column++) {
      const feature = features.values[row * features.columns + column];
      for (let index = 0; index < scores.length; index++) {
        scores[index] += feature * weights.values[column * scores.length + index];
      }
    }
    return firstLargest(scores);
  });
}
