import assert from "node:assert/strict";
import { gridAtSide, gridTokens } from "../../../data/packing/patch_grid.ts";
import { checkResolution, type Resolution, sideOf } from "../../../data/packing/resolution.ts";
import { assertInputError } from "../../formats/helpers.ts";

const square = { width: 100, height: 100 };

function sampled(
  over: "side" | "area",
  mean: number | undefined,
  minimum = 64,
  maximum = 384,
): Resolution {
  const distribution = mean === undefined
    ? { kind: "uniform" as const }
    : { kind: "normal" as const, mean };
  return { kind: "sampled", distribution, over, minimum, maximum };
}

/** The resolutions of the first pictures of a stream. */
function draw(resolution: Resolution, count: number, seed = 5): number[] {
  return Array.from({ length: count }, (_, position) => sideOf(resolution, square, seed, position));
}

const meanOf = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

Deno.test("resolution: fixed, native, capped", () => {
  assert.equal(sideOf({ kind: "fixed", side: 224 }, square, 0, 0), 224);
  assert.equal(sideOf({ kind: "native" }, { width: 400, height: 100 }, 0, 0), 200);
  assert.equal(sideOf({ kind: "native", maximum: 128 }, { width: 400, height: 100 }, 0, 0), 128);
});

Deno.test("resolution: uniform over the side fills its range evenly", () => {
  const count = 20_000;
  const sides = draw(sampled("side", undefined, 64, 256), count);
  const parts = new Array(8).fill(0);
  for (const side of sides) {
    assert.ok(side >= 64 && side < 256);
    parts[Math.floor((side - 64) / 24)]++;
  }
  for (const part of parts) assert.ok(Math.abs(part - count / 8) < 4.5 * Math.sqrt(count / 8));
});

/** The mean and deviation of a standard normal around `mean`, cut off at -1 and 1, by quadrature. */
function truncatedMoments(mean: number): { mean: number; deviation: number } {
  const steps = 20_000;
  const sums = [0, 0, 0];
  for (let index = 0; index < steps; index++) {
    const u = (2 * index + 1) / steps - 1;
    const weight = Math.exp(-0.5 * (u - mean) ** 2);
    sums.forEach((_, power) => sums[power] += weight * u ** power);
  }
  const first = sums[1] / sums[0];
  return { mean: first, deviation: Math.sqrt(sums[2] / sums[0] - first ** 2) };
}

Deno.test("resolution: truncated normals have their means, mapped to side or area", () => {
  const count = 20_000;
  for (const mean of [0, -0.5, 0.5, 1]) {
    const expected = truncatedMoments(mean);
    const tolerance = 4.5 * expected.deviation / Math.sqrt(count);
    const sides = draw(sampled("side", mean), count);
    assert.ok(sides.every((side) => side >= 64 && side <= 384));
    const units = sides.map((side) => (side - 224) / 160);
    assert.ok(Math.abs(meanOf(units) - expected.mean) < tolerance, `side, mean ${mean}`);
    const areas = draw(sampled("area", mean), count).map((side) => side ** 2);
    const unit = (area: number) => 2 * (area - 64 ** 2) / (384 ** 2 - 64 ** 2) - 1;
    assert.ok(Math.abs(meanOf(areas.map(unit)) - expected.mean) < tolerance, `area, mean ${mean}`);
  }
});

Deno.test("resolution: mean tokens at patch 16 are those of the specification", () => {
  // Papers 3.6: mean tokens for 64..384. The pictures are square here.
  const table = { side: [229, 225, 186, 266], area: [296, 296, 256, 336] };
  for (const over of ["side", "area"] as const) {
    [undefined, 0, -0.5, 0.5].forEach((mean, row) => {
      const sides = draw(sampled(over, mean), 20_000);
      const tokens = meanOf(sides.map((side) => gridTokens(gridAtSide(square, side, 16))));
      assert.ok(Math.abs(tokens / table[over][row] - 1) < 0.02, `${over} ${mean}: ${tokens}`);
    });
  }
});

Deno.test("resolution: depends on seed and position alone", () => {
  const resolution = sampled("side", -0.5);
  const whole = draw(resolution, 50);
  assert.equal(sideOf(resolution, { width: 3, height: 900 }, 5, 33), whole[33]);
  assert.notDeepEqual(draw(resolution, 50, 6), whole);
  assert.equal(new Set(whole).size, 50);
  sideOf(resolution, square, Number.MAX_SAFE_INTEGER, 2 ** 50);
  const constant = sampled("area", undefined, 96, 96);
  assert.deepEqual(draw(constant, 3), [96, 96, 96]);
});

Deno.test("resolution: numbers that make no sense are refused", async () => {
  const refuses = async (resolution: Resolution, expected: RegExp) =>
    await assertInputError(
      Promise.try(() => checkResolution(resolution)),
      "",
      expected,
    );
  await refuses({ kind: "fixed", side: 0 }, /resolution 0 is not/);
  await refuses({ kind: "fixed", side: NaN }, /resolution NaN/);
  await refuses({ kind: "native", maximum: -1 }, /largest resolution -1/);
  await refuses(sampled("side", undefined, 300, 200), /smallest resolution 300 is above .* 200/);
  await refuses(sampled("side", 1.5), /mean 1.5 .* -1 .. 1/);
  await refuses(sampled("area", undefined, 64, Infinity), /largest resolution Infinity/);
  checkResolution(sampled("area", -1));
});
