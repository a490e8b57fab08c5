/**
 * The mean and covariance of features, in one pass over any number of samples.
 *
 * @module
 */
import { type FeatureMatrix, requireFeatures } from "./feature_matrix.ts";

/** A normal distribution. */
export interface Gaussian {
  /** (d). */
  readonly mean: Float64Array;
  /** (d, d), symmetric, row-major. */
  readonly covariance: Float64Array;
}

/**
 * Mean and covariance of features that come batch by batch. A batch is centred at its own mean before
 * its products are added up (Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for
 * Computing Sample Variances", 1979), so that features far from 0 lose no digits.
 *
 * @example
 * ```ts
 * import { GaussianEstimate } from "./gaussian.ts";
 *
 * const estimate = new GaussianEstimate(1);
 * estimate.add({ rows: 2, columns: 1, values: Float64Array.of(1, 3) });
 * estimate.gaussian(); // mean 2, covariance 2
 * ```
 */
export class GaussianEstimate {
  #count = 0;
  readonly #mean: Float64Array;
  /** Sum of products of differences from the mean; its upper triangle. */
  readonly #scatter: Float64Array;

  /** Of no samples yet, of `columns` features. */
  constructor(readonly columns: number) {
    this.#mean = new Float64Array(columns);
    this.#scatter = new Float64Array(columns ** 2);
  }

  /** Samples so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * Takes more samples in.
   *
   * @throws RangeError for another number of features
   * @throws NonFiniteFeatureError naming the sample, counted within these
   */
  add(features: FeatureMatrix): void {
    const { columns } = this;
    if (features.columns !== columns) {
      throw new RangeError(`${features.columns} features a sample, the others have ${columns}`);
    }
    requireFeatures(features, 0);
    const { rows } = features;
    if (rows === 0) return;
    const { mean, centred } = centre(features);
    addProducts(this.#scatter, centred, rows);
    const total = this.#count + rows;
    const offset = mean.map((value, column) => value - this.#mean[column]);
    const scale = Math.sqrt(this.#count * rows / total);
    addProducts(this.#scatter, offset.map((value) => value * scale), 1);
    offset.forEach((value, column) => this.#mean[column] += value * rows / total);
    this.#count = total;
  }

  /**
   * The normal distribution of the samples: products are divided by one less than their number.
   *
   * @throws RangeError for fewer than two samples
   */
  gaussian(): Gaussian {
    const { columns, count } = this;
    if (count < 2) throw new RangeError(`${count} samples have no covariance: 2 are needed`);
    const covariance = new Float64Array(columns ** 2);
    for (let row = 0; row < columns; row++) {
      for (let column = row; column < columns; column++) {
        const value = this.#scatter[row * columns + column] / (count - 1);
        covariance[row * columns + column] = value;
        covariance[column * columns + row] = value;
      }
    }
    return { mean: this.#mean.slice(), covariance };
  }
}

/** The normal distribution of samples; see {@link GaussianEstimate}. */
export function gaussianOf(features: FeatureMatrix): Gaussian {
  const estimate = new GaussianEstimate(features.columns);
  estimate.add(features);
  return estimate.gaussian();
}

/** The mean of samples, and what differs from it, transposed: (columns, rows). */
function centre(
  { rows, columns, values }: FeatureMatrix,
): { readonly mean: Float64Array; readonly centred: Float64Array } {
  const mean = new Float64Array(columns);
  const centred = new Float64Array(columns * rows);
  for (let column = 0; column < columns; column++) {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += values[row * columns + column];
    mean[column] = sum / rows;
    for (let row = 0; row < rows; row++) {
      centred[column * rows + row] = values[row * columns + column] - mean[column];
    }
  }
  return { mean, centred };
}

/** Adds x xᵀ of x (columns, length) to the upper triangle of a matrix. */
function addProducts(scatter: Float64Array, x: Float64Array, length: number): void {
  const columns = x.length / length;
  for (let i = 0; i < columns; i++) {
    for (let j = i; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += x[i * length + k] * x[j * length + k];
      scatter[i * columns + j] += sum;
    }
  }
}
