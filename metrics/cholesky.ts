/**
 * Cholesky's factorisation: linear systems with a symmetric positive definite matrix, and roots of those
 * that are positive semidefinite.
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

/**
 * A root of a symmetric positive semidefinite matrix: R with R Rᵀ = A but for rounding, of as few columns
 * as A has rank. In each step the largest pivot that is left comes next (Higham, "Analysis of the Cholesky
 * Decomposition of a Semi-definite Matrix", 1990), until it is rounding.
 *
 * @param matrix (n, n) row-major
 * @returns the columns of R, (n) each
 *
 * @example
 * ```ts
 * import { semidefiniteRoot } from "./cholesky.ts";
 *
 * semidefiniteRoot(Float64Array.of(4, 2, 2, 1), 2); // one column: 2, 1
 * ```
 */
export function semidefiniteRoot(matrix: Float64Array, n: number): Float64Array[] {
  const left = Float64Array.from({ length: n }, (_, row) => matrix[row * n + row]);
  const least = n * Number.EPSILON * left.reduce((a, b) => Math.max(a, b), 0);
  const columns: Float64Array[] = [];
  while (columns.length < n) {
    const pivot = left.reduce((best, value, row) => value > left[best] ? row : best, 0);
    if (!(left[pivot] > least)) break;
    const column = matrix.slice(pivot * n, (pivot + 1) * n);
    for (const earlier of columns) subtractRow(column, n, 0, 0, earlier[pivot], earlier);
    divideRow(column, n, 0, Math.sqrt(column[pivot]));
    column.forEach((value, row) => left[row] -= value * value);
    left[pivot] = 0;
    columns.push(column);
  }
  return columns;
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

/** Row `target` less `factor` times row `source`, of the same values unless told. */
function subtractRow(
  values: Float64Array,
  columns: number,
  target: number,
  source: number,
  factor: number,
  from: Float64Array = values,
): void {
  for (let column = 0; column < columns; column++) {
    values[target * columns + column] -= factor * from[source * columns + column];
  }
}

function divideRow(values: Float64Array, columns: number, row: number, divisor: number): void {
  for (let column = 0; column < columns; column++) values[row * columns + column] /= divisor;
}
