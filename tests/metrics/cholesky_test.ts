import assert from "node:assert/strict";
import fc from "fast-check";
import { semidefiniteRoot, solvePositiveDefinite } from "../../metrics/cholesky.ts";

const entry = fc.double({ min: -2, max: 2, noNaN: true });
const anySystem = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 4 }))
  .chain(([n, columns]) =>
    fc.record({
      n: fc.constant(n),
      columns: fc.constant(columns),
      factor: fc.array(entry, { minLength: n * n, maxLength: n * n }),
      solution: fc.array(entry, { minLength: n * columns, maxLength: n * columns }),
    })
  );

Deno.test("A X = B gives X back, for A = M Mᵀ + I and B = A X", () => {
  fc.assert(fc.property(anySystem, ({ n, columns, factor, solution }) => {
    const at = (row: number, column: number) => {
      let sum = row === column ? 1 : 0;
      for (let k = 0; k < n; k++) sum += factor[row * n + k] * factor[column * n + k];
      return sum;
    };
    const matrix = Float64Array.from({ length: n * n }, (_, i) => at(Math.floor(i / n), i % n));
    const right = Float64Array.from({ length: n * columns }, (_, index) => {
      const [row, column] = [Math.floor(index / columns), index % columns];
      let sum = 0;
      for (let k = 0; k < n; k++) sum += at(row, k) * solution[k * columns + column];
      return sum;
    });
    // Only the lower triangle may be read.
    for (let row = 0; row < n; row++) matrix.fill(NaN, row * n + row + 1, (row + 1) * n);
    solvePositiveDefinite(matrix, n, right, columns);
    right.forEach((value, index) => assert.ok(Math.abs(value - solution[index]) < 1e-10));
  }));
});

Deno.test("a matrix that is not positive definite is an error", () => {
  const solve = (...matrix: number[]) => () =>
    solvePositiveDefinite(Float64Array.from(matrix), 2, new Float64Array(2), 1);
  assert.throws(solve(1, 2, 2, 1), /not positive definite: pivot 1 is -3/);
  assert.throws(solve(NaN, 0, 0, 1), RangeError);
});

Deno.test("the root of a semidefinite matrix has as many columns as its rank, and gives it back", () => {
  const [n, rank] = [9, 4];
  const columns = Array.from(
    { length: rank },
    (_, k) => Float64Array.from({ length: n }, (_, row) => (row * 7 + k * 5) % 11 - 5),
  );
  const gram = (roots: readonly Float64Array[]) =>
    Float64Array.from({ length: n * n }, (_, place) => {
      const [row, column] = [Math.floor(place / n), place % n];
      return roots.reduce((sum, root) => sum + root[row] * root[column], 0);
    });
  const matrix = gram(columns);
  const root = semidefiniteRoot(matrix, n);
  assert.equal(root.length, rank);
  gram(root).forEach((value, place) => assert(Math.abs(value - matrix[place]) < 1e-12 * 100));
  assert.deepEqual(semidefiniteRoot(new Float64Array(4), 2), []);
});
