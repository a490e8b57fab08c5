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
import { semidefiniteRoot } from "../cholesky.ts";
import type { Gaussian } from "./gaussian.ts";

/**
 * The squared Frechet distance, at least 0.
 *
 * C₁ C₂ has the eigenvalues of a symmetric matrix, Rᵀ S (Rᵀ S)ᵀ for C₁ = R Rᵀ and C₂ = S Sᵀ, so that they
 * are real and at least 0. A covariance of fewer samples than features has no inverse, but a root with as
 * few columns as there are samples: then the matrix is small and nothing in it is 0 but for rounding.
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

/** tr((A B)^½): the sum of the singular values of Rᵀ S, for A = R Rᵀ and B = S Sᵀ. */
function traceOfRoot(a: Float64Array, b: Float64Array, size: number): number {
  const [few, many] = [a, b].map((matrix) => semidefiniteRoot(matrix, size))
    .sort((one, other) => one.length - other.length);
  if (few.length === 0) return 0;
  const mixed = new Matrix(few).mmul(new Matrix(many).transpose());
  const gram = mixed.mmul(mixed.transpose());
  const { realEigenvalues } = new EigenvalueDecomposition(gram, { assumeSymmetric: true });
  return realEigenvalues.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
}
