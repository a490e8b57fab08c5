/** Tiles: they cover, weights add up, and what neighbours disagree about leaves no edge. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  axisSize,
  BlendedPlanes,
  blendWeights,
  cutTile,
  scaledAxis,
  tileAxis,
} from "../../models/tiles.ts";

Deno.test("tiles cover an axis, overlap by at least what was asked, and their weights add up to 1", () => {
  const sizes = fc.integer({ min: 1, max: 200 }).chain((size) =>
    fc.tuple(fc.constant(size), fc.integer({ min: 1, max: size }), fc.integer({ min: 1, max: 4 }))
  );
  fc.assert(fc.property(sizes, ([size, length, factor]) => {
    const overlap = Math.floor(length / 4);
    const axis = scaledAxis(tileAxis(size, length, overlap), factor);
    assert.equal(axis.starts[0], 0);
    assert.equal(axisSize(axis), factor * size);
    axis.starts.slice(1).forEach((start, index) => {
      assert(
        axis.starts[index] < start && start + factor * overlap <= axis.starts[index] + axis.length,
      );
    });
    const sums = new Float64Array(axisSize(axis));
    blendWeights(axis).forEach((tile, index) =>
      tile.forEach((weight, i) => sums[axis.starts[index] + i] += weight)
    );
    assert(sums.every((sum) => Math.abs(sum - 1) < 1e-12));
  }));
});

Deno.test("tiles of a picture put together again are the picture; one tile is the same bits", () => {
  const sides = { height: 13, width: 18 };
  const planes = Float32Array.from({ length: 2 * 13 * 18 }, (_, i) => Math.sin(i * i));
  const together = (height: number, width: number) => {
    const [rows, columns] = [tileAxis(13, height, 2), tileAxis(18, width, 2)];
    const whole = new BlendedPlanes(2, rows, columns);
    rows.starts.forEach((_, row) =>
      columns.starts.forEach((_, column) =>
        whole.add(cutTile(planes, sides, rows, columns, [row, column]), row, column)
      )
    );
    return whole.values;
  };
  assert.deepEqual(together(13, 18), planes);
  together(5, 8).forEach((value, i) => assert(Math.abs(value - planes[i]) < 1e-6));
});

Deno.test("tiles that differ by a constant meet in a slope over the overlap", () => {
  const rows = tileAxis(8, 8, 2);
  const columns = tileAxis(40, 16, 4);
  const whole = new BlendedPlanes(1, rows, columns);
  columns.starts.forEach((_, column) =>
    whole.add(new Float32Array(8 * 16).fill(column % 2), 0, column)
  );
  const steps = [...whole.values.subarray(1, 40)].map((value, i) =>
    Math.abs(value - whole.values[i])
  );
  assert(Math.max(...steps) <= 1 / 4 + 1e-6, `${steps}`);
});
