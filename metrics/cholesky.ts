/**
 * Linear systems with a symmetric positive definite matrix, by Cholesky's factorisation.
 *
 * @module
 */

/**
 * Solves A X = B, overwriting both: the lower triangle of `matrix` with the factor L of A = L Lᵀ,
 * `right` with X.
 *
 * @param matrix (n, n) row-major, of which the lower triangle is read
 * @param right (n, columns) row-major
 * @throws {RangeError} when the matrix is not positive definite
 *
 * @example
 * ```ts
 * import { solvePositiveDefinite } from "./cholesky.ts";
 *
 * const x = Float64Array.of(8, 7);
 * solvePositiveDefinite(Float64Array.of(4, 2, 2, 3), 2, x, 1); // x is 1.25, 1.5
 * ```
 */
export function solvePositiveDefinite(
  matrix: Float64Array,
  n: number,
  right: Float64Array,
  columns: number,
): void {
  factorize(matrix, n);
  for (let row = 0; row < n; row++) {
    for (let k = 0; k < row; k++) subtractRow(right, columns, row, k, matrix[row * n + k]);
    divideRow(right, columns, row, matrix[row * n + row]);
  }
  for (let row = n - 1; row >= 0; row--) {
    for (let k = row + 1; k < n; k++) subtractRow(right, columns, row, k, matrix[k * n + row]);
    divideRow(right, columns, row, matrix[row * n + row]);
  }
}

/** Replaces the lower triangle by the factor, row by row, so that the inner loop reads in order. */
function factorize(matrix: Float64Array, n: number): void {
  for (let row = 0; row < n; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = matrix[row * n + column];
      for (let k = 0; k < column; k++) sum -= matrix[row * n + k] * matrix[column * n + k];
      if (column < row) {
        matrix[row * n + column] = sum / matrix[column * n + column];
      } else if (sum > 0) {
        matrix[row * n + row] = Math.sqrt(sum);
      } else {
        throw new RangeError(`the matrix is not positive definite: pivot ${row} is ${sum}`);
      }
    }
  }
}

/** Row `target` less `factor` times row `source`. */
function subtractRow(
  values: Float64Array,
  columns: number,
  target: number,
  source: number,
  factor: number,
): void {
  for (let column = 0; column < columns; column++) {
    values[target * columns + column] -= factor * values[source * columns + column];
  }
}

function divideRow(values: Float64Array, columns: number, row: number, divisor: number): void {
  for (let column = 0; column < columns; column++) values[row * columns + column] /= divisor;
}
