/**
 * Ridge regression in closed form: W minimises |X W - Y|² + λ |W|².
 *
 * With n examples of d features there are two ways to the same W, and the smaller system is solved:
 * W = (XᵀX + λ I)⁻¹ Xᵀ Y, of size d, or W = Xᵀ (X Xᵀ + λ I)⁻¹ Y, of size n.
 *
 * @module
 */
import { solvePositiveDefinite } from "./cholesky.ts";

/** A matrix in float64, row-major. */
export interface Matrix {
  /** Length of a column. */
  readonly rows: number;
  /** Length of a row. */
  readonly columns: number;
  /** (rows, columns). */
  readonly values: Float64Array;
}

/** A matrix of zeros. */
export function zeros(rows: number, columns: number): Matrix {
  return { rows, columns, values: new Float64Array(rows * columns) };
}

/**
 * Solves the regression.
 *
 * @param x (examples, features), finite
 * @param y (examples, targets), finite
 * @param ridge λ, above 0
 * @returns W (features, targets)
 */
export function solveRidge(x: Matrix, y: Matrix, ridge: number): Matrix {
  if (x.columns <= x.rows) {
    const weights = transposedProduct(x, y);
    solveShifted(transposedProduct(x, x), ridge, weights);
    return weights;
  }
  const xTransposed = transpose(x);
  const coefficients: Matrix = { ...y, values: y.values.slice() };
  solveShifted(transposedProduct(xTransposed, xTransposed), ridge, coefficients);
  return transposedProduct(x, coefficients);
}

/** Solves (gram + λ I) X = right; both are overwritten, `right` with X. */
function solveShifted(gram: Matrix, ridge: number, right: Matrix): void {
  for (let index = 0; index < gram.rows; index++) {
    gram.values[index * gram.columns + index] += ridge;
  }
  solvePositiveDefinite(gram.values, gram.rows, right.values, right.columns);
}

/** aᵀ b, summed up row by row so that all reads are in order. */
function transposedProduct(a: Matrix, b: Matrix): Matrix {
  const product = zeros(a.columns, b.columns);
  for (let row = 0; row < a.rows; row++) {
    for (let i = 0; i < a.columns; i++) {
      const factor = a.values[row * a.columns + i];
      for (let j = 0; j < b.columns; j++) {
        product.values[i * b.columns + j] += factor * b.values[row * b.columns + j];
      }
    }
  }
  return product;
}

function transpose({ rows, columns, values }: Matrix): Matrix {
  const transposed = zeros(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      transposed.values[column * rows + row] = values[row * columns + column];
    }
  }
  return transposed;
}
