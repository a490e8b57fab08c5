import assert from "node:assert/strict";
import { gridAtSide, gridTokens } from "../../../data/packing/patch_grid.ts";
import { syntheticPictures } from "../../../data/sources/synthetic_pictures.ts";

const options = { channels: 3, patch: 16, tokens: 256, spread: 16, seed: 1 };

const areas = (changes: Partial<typeof options> = {}): number[] => {
  const set = syntheticPictures({ ...options, ...changes });
  return Array.from({ length: set.length }, (_, index) => {
    const { width, height } = set.size(index);
    return width * height;
  });
};

Deno.test("areas span the spread, their logarithms uniformly", () => {
  const largest = 256 * 16 ** 2;
  const logarithms = areas().map((area) => Math.log(area / largest) / Math.log(16));
  // Whole pixels: half of one is 1.2 % of the shortest side, 32 pixels.
  assert(logarithms.every((share) => share > -1.01 && share < 0.01));
  for (const quarter of [-0.75, -0.5, -0.25]) {
    const below = logarithms.filter((share) => share < quarter).length / logarithms.length;
    // Four standard deviations of a share of 1024 draws.
    assert(Math.abs(below - (1 + quarter)) < 0.0625, `${below} below ${quarter}`);
  }
});

Deno.test("with a spread of 1 all areas are equal but for whole pixels", () => {
  for (const area of areas({ spread: 1 })) assert(Math.abs(area / 256 ** 2 - 1) < 0.01);
});

Deno.test("aspect ratios are log-normal, cut off at 4", () => {
  const set = syntheticPictures(options);
  const ratios = Array.from({ length: set.length }, (_, index) => {
    const { width, height } = set.size(index);
    return Math.log(width / height);
  });
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  const variance = ratios.reduce((sum, ratio) => sum + (ratio - mean) ** 2, 0) / ratios.length;
  assert(Math.abs(mean) < 4 * 0.35 / 32);
  assert(Math.abs(Math.sqrt(variance) - 0.35) < 4 * 0.35 / Math.sqrt(2 * 1024));
  assert(ratios.every((ratio) => Math.abs(ratio) < Math.log(4) + 0.05));
});

Deno.test("sizes depend on the seed alone, and pictures have them", async () => {
  assert.deepEqual(areas(), areas());
  assert.notDeepEqual(areas(), areas({ seed: 2 }));
  const set = syntheticPictures({ ...options, channels: 1 });
  const picture = await set.decode(5);
  assert.deepEqual({ width: picture.width, height: picture.height }, set.size(5));
  assert.equal(picture.channels, 1);
  assert.equal(picture.data.length, picture.width * picture.height);
  assert(new Set(picture.data).size > 100);
  assert.notEqual(set.fingerprint, syntheticPictures(options).fingerprint);
});

Deno.test("the smallest pictures have at least one patch", () => {
  const set = syntheticPictures({ channels: 1, patch: 1, tokens: 1, spread: 65536, seed: 0 });
  for (let index = 0; index < set.length; index++) {
    assert(gridTokens(gridAtSide(set.size(index), 1, 1)) >= 1);
  }
});
