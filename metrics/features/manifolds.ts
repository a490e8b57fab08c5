/**
 * Precision and recall of generated samples (Kynkäänniemi et al., "Improved Precision and Recall Metric
 * for Assessing Generative Models", 2019): a set of samples stands for the union of balls around each of
 * them that reach to its k-th nearest neighbour in the set.
 *
 * @module
 */
import { type ComparedFeatures, type FeatureMatrix, requireComparable } from "./feature_matrix.ts";

/** Shares, from 0 to 1. */
export interface PrecisionRecall {
  /** Generated samples that lie in the manifold of the real ones: how realistic they are. */
  readonly precision: number;
  /** Real samples that lie in the manifold of the generated ones: how much of the data they cover. */
  readonly recall: number;
}

/**
 * Precision and recall.
 *
 * @param neighbours k; 3 as in the paper and ADM's evaluator
 * @throws RangeError when a set has no more than `neighbours` samples
 *
 * @example One generated sample among the real ones, the other far away; all real ones are covered
 * ```ts
 * import { precisionRecall } from "./manifolds.ts";
 *
 * const features = (...values: number[]) => ({
 *   rows: values.length,
 *   columns: 1,
 *   values: Float64Array.from(values),
 * });
 * const compared = { real: features(0, 1), generated: features(0.5, 100) };
 * precisionRecall(compared, 1); // { precision: 0.5, recall: 1 }
 * ```
 */
export function precisionRecall(compared: ComparedFeatures, neighbours = 3): PrecisionRecall {
  if (!Number.isSafeInteger(neighbours) || neighbours < 1) {
    throw new RangeError(`${neighbours} neighbours: give a whole number from 1 up`);
  }
  requireComparable(compared, neighbours + 1);
  const { real, generated } = compared;
  return {
    precision: shareWithin(generated, real, neighbours),
    recall: shareWithin(real, generated, neighbours),
  };
}

/** The share of samples that lie in the manifold of a set. */
function shareWithin(samples: FeatureMatrix, set: FeatureMatrix, neighbours: number): number {
  const radii = squaredRadii(set, neighbours);
  let count = 0;
  for (let sample = 0; sample < samples.rows; sample++) {
    for (let member = 0; member < set.rows; member++) {
      if (squaredDistance(samples, sample, set, member, radii[member]) > radii[member]) continue;
      count++;
      break;
    }
  }
  return count / samples.rows;
}

/** Squared distance of each sample to its k-th nearest neighbour, itself not counted. */
function squaredRadii(set: FeatureMatrix, neighbours: number): Float64Array {
  const nearest = Array.from(
    { length: set.rows },
    () => new Float64Array(neighbours).fill(Infinity),
  );
  for (let one = 0; one < set.rows; one++) {
    for (let other = 0; other < one; other++) {
      const bound = Math.max(nearest[one][neighbours - 1], nearest[other][neighbours - 1]);
      const distance = squaredDistance(set, one, set, other, bound);
      keepNearest(nearest[one], distance);
      keepNearest(nearest[other], distance);
    }
  }
  return Float64Array.from(nearest, (distances) => distances[neighbours - 1]);
}

/** Puts a distance into an ascending list, the largest of which falls out. */
function keepNearest(distances: Float64Array, distance: number): void {
  let place = distances.length - 1;
  if (!(distance < distances[place])) return;
  for (; place > 0 && distances[place - 1] > distance; place--) {
    distances[place] = distances[place - 1];
  }
  distances[place] = distance;
}

/** Features between two looks at the bound. */
const stretch = 64;

/**
 * The squared distance of two samples; once it is above `bound`, any number above that. It is a sum of
 * squared differences and not of products, so that equal samples are exactly 0 apart.
 */
function squaredDistance(
  a: FeatureMatrix,
  rowOfA: number,
  b: FeatureMatrix,
  rowOfB: number,
  bound: number,
): number {
  const { columns } = a;
  const [x, y] = [rowOfA * columns, rowOfB * columns];
  let sum = 0;
  for (let first = 0; first < columns && sum <= bound; first += stretch) {
    const last = Math.min(first + stretch, columns);
    for (let column = first; column < last; column++) {
      sum += (a.values[x + column] - b.values[y + column]) ** 2;
    }
  }
  return sum;
}
