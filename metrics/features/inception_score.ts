/**
 * The Inception Score (Salimans et al., "Improved Techniques for Training GANs", 2016, section 4): how
 * sure a classifier is of single pictures, and how much its answers differ between them.
 *
 * @module
 */
import { summarize, type Summary } from "../../base/statistics.ts";
import { probabilities } from "../probabilities.ts";
import { type FeatureMatrix, requireFeatures, rowOf } from "./feature_matrix.ts";

/**
 * The score: exp of the mean divergence of p(y|x) from p(y), over parts of 5,000 pictures as ADM's
 * evaluator takes them, in the order that they have. It is from 1 to the number of classes; its mean over
 * the parts is what is reported.
 *
 * @param logits (n, classes)
 * @param part pictures of a part; the last part has those that are left
 * @throws RangeError when there is none, or `part` is not a whole number from 1 up
 *
 * @example
 * ```ts
 * import { inceptionScore } from "./inception_score.ts";
 *
 * const sure = { rows: 2, columns: 2, values: Float64Array.of(100, 0, 0, 100) };
 * inceptionScore(sure).mean; // 2: two classes, and no doubt
 * ```
 */
export function inceptionScore(logits: FeatureMatrix, part = 5000): Summary {
  requireFeatures(logits, 1);
  if (!Number.isSafeInteger(part) || part < 1) {
    throw new RangeError(`parts of ${part} pictures: give a whole number from 1 up`);
  }
  const { rows } = logits;
  const scores: number[] = [];
  for (let first = 0; first < rows; first += part) {
    const last = Math.min(first + part, rows);
    const answers = Array.from(
      { length: last - first },
      (_, row) => probabilities(rowOf(logits, first + row), "softmax"),
    );
    scores.push(Math.exp(meanDivergence(answers)));
  }
  return summarize(scores);
}

/** The mean Kullback-Leibler divergence of distributions from their mean. */
function meanDivergence(distributions: readonly Float64Array[]): number {
  const marginal = new Float64Array(distributions[0].length);
  for (const distribution of distributions) {
    distribution.forEach((p, index) => marginal[index] += p / distributions.length);
  }
  let sum = 0;
  for (const distribution of distributions) {
    distribution.forEach((p, index) => {
      if (p > 0) sum += p * Math.log(p / marginal[index]);
    });
  }
  return sum / distributions.length;
}
