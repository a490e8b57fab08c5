import assert from "node:assert/strict";
import fc from "fast-check";
import {
  gridAtSide,
  gridTokens,
  largestGrid,
  limitedGrid,
  type PictureSize,
  square,
} from "../../../data/packing/patch_grid.ts";

const sides = fc.integer({ min: 1, max: 5000 });
const sizes = fc.record({ width: sides, height: sides });

Deno.test("patch grid: effective resolution is an area, sides go to the nearest patch", () => {
  const grid = (width: number, height: number, side: number, patch: number) => {
    const { rows, columns } = gridAtSide({ width, height }, side, patch);
    return [rows, columns];
  };
  // Papers 3.2: R = 128 may be 64 x 256 or 170 x 96.
  assert.deepEqual(grid(400, 100, 128, 16), [4, 16]);
  assert.deepEqual(grid(170, 96, 128, 16), [6, 11]); // 170.3 / 16 = 10.6, 96.2 / 16 = 6.01
  assert.deepEqual(grid(100, 100, 100, 8), [13, 13]); // 12.5 goes up
  assert.deepEqual(grid(1000, 1, 32, 16), [1, 63]); // 0.06 rows become one
  assert.deepEqual(grid(1, 1, 1, 16), [1, 1]);
  assert.deepEqual(grid(3, 7, 21 ** 0.5, 1), [7, 3]); // its own resolution
});

Deno.test("patch grid: resolution and patch only matter as a ratio, orientation transposes", () => {
  fc.assert(fc.property(sizes, fc.integer({ min: 1, max: 600 }), (size, side) => {
    const { rows, columns } = gridAtSide(size, side, 16);
    const turned = gridAtSide({ width: size.height, height: size.width }, side, 16);
    assert.deepEqual(turned, { rows: columns, columns: rows });
    assert.deepEqual(gridAtSide(size, 2 * side, 32), { rows, columns });
  }));
});

/** The grid at a scale, in patches a pixel. */
function gridAtScale({ width, height }: PictureSize, scale: number) {
  return {
    rows: Math.max(1, Math.round(height * scale)),
    columns: Math.max(1, Math.round(width * scale)),
  };
}

Deno.test("patch grid: the largest grid fits, and no larger scale does", () => {
  fc.assert(fc.property(sizes, fc.integer({ min: 1, max: 1024 }), (size, tokens) => {
    const grid = largestGrid(size, tokens);
    assert.ok(gridTokens(grid) <= tokens);
    // A search in float64 finds the same up to the rounding of its scales.
    let [low, high] = [0, 2 * tokens];
    for (let halving = 0; halving < 80; halving++) {
      const middle = (low + high) / 2;
      if (gridTokens(gridAtScale(size, middle)) <= tokens) low = middle;
      else high = middle;
    }
    assert.deepEqual(gridAtScale(size, low * (1 - 1e-12)), grid);
  }));
  assert.deepEqual(largestGrid({ width: 1, height: 1 }, 1), { rows: 1, columns: 1 });
  assert.deepEqual(largestGrid({ width: 2, height: 2 }, 256), { rows: 16, columns: 16 }); // up-scaled
  assert.deepEqual(largestGrid({ width: 5000, height: 1 }, 7), { rows: 1, columns: 7 });
});

Deno.test("patch grid: squares, whatever the aspect ratio", () => {
  assert.deepEqual(gridAtSide(square, 224, 16), { rows: 14, columns: 14 });
  assert.deepEqual(gridAtSide(square, 3, 16), { rows: 1, columns: 1 });
  for (const [tokens, side] of [[1, 1], [3, 1], [4, 2], [255, 15], [256, 16]]) {
    assert.deepEqual(largestGrid(square, tokens), { rows: side, columns: side });
  }
});

Deno.test("patch grid: limits shrink a picture and keep its aspect ratio as far as they can", () => {
  const limited = (
    width: number,
    height: number,
    side: number,
    tokens: number,
    longest: number,
  ) => {
    const size = { width, height };
    const { rows, columns } = limitedGrid(size, gridAtSide(size, side, 16), tokens, longest);
    return [rows, columns];
  };
  assert.deepEqual(limited(400, 100, 128, 256, 64), [4, 16]); // within both limits
  assert.deepEqual(limited(400, 100, 128, 64, 16), [4, 16]); // at both limits
  assert.deepEqual(limited(400, 100, 128, 256, 8), [2, 8]); // too long
  assert.deepEqual(limited(400, 100, 128, 40, 64), [3, 13]); // too many
  assert.deepEqual(limited(400, 100, 128, 40, 12), [3, 12]); // both, the side is narrower
  assert.deepEqual(limited(400, 100, 128, 24, 12), [2, 10]); // both, the tokens are narrower
  assert.deepEqual(limited(100, 400, 128, 256, 8), [8, 2]);
  assert.deepEqual(limited(5000, 1, 256, 256, 7), [1, 7]); // the shorter side cannot shrink
  assert.deepEqual(limited(1, 5000, 256, 256, 1), [1, 1]);
  assert.deepEqual(limited(1, 1, 160, 1e6, 3), [3, 3]);
});

Deno.test("patch grid: within a limit of the side, no larger grid of the picture is", () => {
  const sideLimits = fc.integer({ min: 1, max: 64 });
  fc.assert(fc.property(sizes, sideLimits, (size, longest) => {
    const { rows, columns } = largestGrid(size, Infinity, longest);
    assert.equal(Math.max(rows, columns), longest);
    const scale = (longest + 0.5) * (1 - 1e-12) / Math.max(size.width, size.height);
    assert.deepEqual(gridAtScale(size, scale), { rows, columns });
  }));
});
