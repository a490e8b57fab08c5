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
 * The score of pictures that come batch by batch: exp of the mean divergence of p(y|x) from p(y), over
 * parts of 5,000 pictures as ADM's evaluator takes them, in the order that they have. It is from 1 to
 * the number of classes; its mean over the parts is what is reported.
 *
 * @example
 * ```ts
 * import { InceptionScoreEstimate } from "./inception_score.ts";
 *
 * const estimate = new InceptionScoreEstimate();
 * estimate.add({ rows: 2, columns: 2, values: Float64Array.of(100, 0, 0, 100) });
 * estimate.score().mean; // 2: two classes, and no doubt
 * ```
 */
export class InceptionScoreEstimate {
  readonly #part: number;
  readonly #finished: number[] = [];
  #current: PartOfPictures | undefined;

  /**
   * Of no pictures yet.
   *
   * @param part pictures of a part; the last part has those that are left
   * @throws RangeError when it is not a whole number from 1 up
   */
  constructor(part = 5000) {
    if (!Number.isSafeInteger(part) || part < 1) {
      throw new RangeError(`parts of ${part} pictures: give a whole number from 1 up`);
    }
    this.#part = part;
  }

  /**
   * Takes more pictures in.
   *
   * @param logits (n, classes)
   * @throws NonFiniteFeatureError naming the picture, counted within these
   */
  add(logits: FeatureMatrix): void {
    requireFeatures(logits, 0);
    for (let row = 0; row < logits.rows; row++) {
      this.#current ??= new PartOfPictures(logits.columns);
      this.#current.add(probabilities(rowOf(logits, row), "softmax"));
      if (this.#current.count < this.#part) continue;
      this.#finished.push(this.#current.score);
      this.#current = undefined;
    }
  }

  /**
   * The score: mean and deviation over the parts.
   *
   * @throws RangeError when there are no pictures
   */
  score(): Summary {
    return summarize([...this.#finished, ...(this.#current ? [this.#current.score] : [])]);
  }
}

/** Sums over the answers to some pictures. */
class PartOfPictures {
  count = 0;
  readonly #sums: Float64Array;
  /** Sum of p log p. */
  #certainty = 0;

  constructor(classes: number) {
    this.#sums = new Float64Array(classes);
  }

  add(answer: Float64Array): void {
    this.count++;
    answer.forEach((p, index) => this.#sums[index] += p);
    this.#certainty += certaintyOf(answer);
  }

  /** exp of the mean of the divergences, which is a difference of two sums of p log p. */
  get score(): number {
    const mean = this.#sums.map((sum) => sum / this.count);
    return Math.exp(this.#certainty / this.count - certaintyOf(mean));
  }
}

const certaintyOf = (distribution: Float64Array): number =>
  distribution.reduce((sum, p) => p > 0 ? sum + p * Math.log(p) : sum, 0);

/** The score of pictures that are all there; see {@link InceptionScoreEstimate}. */
export function inceptionScore(logits: FeatureMatrix, part?: number): Summary {
  const estimate = new InceptionScoreEstimate(part);
  estimate.add(logits);
  return estimate.score();
}
