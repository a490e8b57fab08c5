/**
 * The Frechet distance of two normal distributions (Dowson and Landau, 1982), which Heusel et al.
 * ("GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", 2017) take
 * between features of real and generated pictures:
 *
 * d² = |m₁ - m₂|² + tr(C₁) + tr(C₂) - 2 tr((C₁ C₂)^½).
 *
 * @module
 */
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import type { Gaussian } from "./gaussian.ts";

/**
 * The squared Frechet distance, at least 0.
 *
 * C₁ C₂ has the eigenvalues of Rᵀ C₂ R, where C₁ = R Rᵀ. That is symmetric, so that they are real and
 * found to the last digits, also where both covariances come from fewer samples than there are features
 * and have no inverse: then R has as many columns as C₁ has eigenvalues that differ from 0.
 *
 * @throws RangeError when the distributions are not of the same number of features
 *
 * @example
 * ```ts
 * import { frechetDistance } from "./frechet.ts";
 *
 * const a = { mean: Float64Array.of(0), covariance: Float64Array.of(1) };
 * const b = { mean: Float64Array.of(1), covariance: Float64Array.of(4) };
 * frechetDistance(a, b); // (1 - 0)² + (2 - 1)² = 2
 * ```
 */
export function frechetDistance(a: Gaussian, b: Gaussian): number {
  const features = a.mean.length;
  for (const { mean, covariance } of [a, b]) {
    if (mean.length !== features || covariance.length !== features ** 2) {
      throw new RangeError(
        `means of ${a.mean.length} and ${b.mean.length} features with covariances of ` +
          `${a.covariance.length} and ${b.covariance.length} numbers cannot be compared`,
      );
    }
  }
  const offset = a.mean.reduce((sum, value, index) => sum + (value - b.mean[index]) ** 2, 0);
  const spread = trace(a.covariance, features) + trace(b.covariance, features);
  return Math.max(0, offset + spread - 2 * traceOfRoot(a.covariance, b.covariance, features));
}

function trace(matrix: Float64Array, size: number): number {
  let sum = 0;
  for (let index = 0; index < size; index++) sum += matrix[index * size + index];
  return sum;
}

/** tr((A B)^½). */
function traceOfRoot(a: Float64Array, b: Float64Array, size: number): number {
  const root = rootOf(asMatrix(a, size));
  if (root.columns === 0) return 0;
  const product = root.transpose().mmul(asMatrix(b, size).mmul(root));
  const { realEigenvalues } = new EigenvalueDecomposition(product, { assumeSymmetric: true });
  return realEigenvalues.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
}

/** R of a positive semidefinite matrix R Rᵀ, without columns that are 0 but for rounding. */
function rootOf(matrix: Matrix): Matrix {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, {
    assumeSymmetric: true,
  });
  const least = matrix.rows * Number.EPSILON * Math.max(...realEigenvalues);
  const kept = realEigenvalues.flatMap((value, index) => value > least ? [index] : []);
  const vectors = eigenvectorMatrix.subMatrixColumn(kept);
  return vectors.mulRowVector(kept.map((index) => Math.sqrt(realEigenvalues[index])));
}

function asMatrix(values: Float64Array, size: number): Matrix {
  const rows = Array.from(
    { length: size },
    (_, row) => values.subarray(row * size, (row + 1) * size),
  );
  return new Matrix(rows);
}
