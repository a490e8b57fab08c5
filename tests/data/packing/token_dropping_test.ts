import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checkDropping,
  dropRate,
  keptCount,
  keptTokens,
  mostTokens,
  type TokenDropping,
} from "../../../data/packing/token_dropping.ts";
import { assertInputError } from "../../formats/helpers.ts";

/** The rates of the first pictures of a stream. */
function draw(dropping: TokenDropping, count: number, tokens = 100, seed = 3): number[] {
  return Array.from(
    { length: count },
    (_, position) => dropRate(dropping, tokens, seed, position),
  );
}

const meanOf = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Papers 3.7(b): by maximum and mean, the share of pictures with a rate below 0.1, in percent. */
const publishedShares: [maximum: number, mean: number, percent: number][] = [
  [0.4, 0.10, 60.3],
  [0.4, 0.25, 11.5],
  [0.4, 0.35, 1.3],
  [0.7, 0.10, 66.9],
  [0.7, 0.25, 27.3],
  [0.7, 0.50, 2.3],
  [0.7, 0.65, 0.1],
  [0.9, 0.10, 70.4],
  [0.9, 0.25, 33.5],
  [0.9, 0.50, 5.9],
  [0.9, 0.70, 0.9],
  [0.9, 0.85, 0.1],
];

/** The integral of x^(a-1) (1-x)^(b-1) from 0 to `end` < 1: the midpoint rule in t = x^a. */
function incompleteBeta(a: number, b: number, end: number): number {
  const steps = 50_000;
  let sum = 0;
  for (let step = 0; step < steps; step++) {
    sum += (1 - ((step + 0.5) / steps) ** (1 / a) * end) ** (b - 1);
  }
  return sum * end ** a / steps / a;
}

/** The share of pictures that should have a rate below 0.1. */
function shareBelowTenth(maximum: number, mean: number): number {
  const a = (1 / 0.3 - 1) * mean / maximum;
  const b = (1 / 0.3 - 1) * (1 - mean / maximum);
  const whole = incompleteBeta(a, b, 0.5) + incompleteBeta(b, a, 0.5);
  return incompleteBeta(a, b, 0.1 / maximum) / whole;
}

Deno.test("token dropping: Beta reproduces the paper's table, its mean and its variance", () => {
  const count = 40_000;
  for (const [maximum, mean, percent] of publishedShares) {
    const rates = draw({ kind: "beta", mean, maximum }, count);
    const share = rates.filter((rate) => rate < 0.1).length / count;
    const exact = shareBelowTenth(maximum, mean);
    assert.ok(Math.abs(100 * exact - percent) < 0.7, `${maximum} ${mean}: ${exact}`);
    const error = Math.sqrt(exact * (1 - exact) / count);
    assert.ok(Math.abs(share - exact) < 4 * error, `${maximum} ${mean}: ${share}, not ${exact}`);
    const scaled = mean / maximum;
    const deviation = maximum * Math.sqrt(0.3 * scaled * (1 - scaled));
    assert.ok(Math.abs(meanOf(rates) - mean) < 4.5 * deviation / Math.sqrt(count));
    const spread = Math.sqrt(meanOf(rates.map((rate) => (rate - mean) ** 2)));
    assert.ok(Math.abs(spread / deviation - 1) < 0.02, `${spread} ${deviation}`);
    assert.ok(rates.every((rate) => rate >= 0 && rate <= maximum));
  }
});

Deno.test("token dropping: resolution-dependent rates are linear in the tokens and narrow", () => {
  const dropping: TokenDropping = {
    kind: "resolution",
    minimum: 0.25,
    maximum: 0.75,
    fewest: 16,
    most: 576,
  };
  for (const [tokens, mean] of [[16, 0.25], [296, 0.5], [576, 0.75], [1, 0.25], [900, 0.75]]) {
    const rates = draw(dropping, 5000, tokens);
    assert.ok(rates.every((rate) => Math.abs(rate - mean) <= 0.04 + 1e-12));
    // Cut off at two deviations, the deviation is 0.88 of 0.02.
    assert.ok(Math.abs(meanOf(rates) - mean) < 4.5 * 0.0176 / Math.sqrt(5000));
    const spread = Math.sqrt(meanOf(rates.map((rate) => (rate - mean) ** 2)));
    assert.ok(Math.abs(spread / 0.0176 - 1) < 0.05, `${spread}`);
  }
  const steep: TokenDropping = { ...dropping, minimum: 0, maximum: 0.99 };
  assert.ok(draw(steep, 500, 16).every((rate) => rate >= 0));
  assert.ok(draw(steep, 500, 576).every((rate) => rate <= 0.99));
});

Deno.test("token dropping: the schedule is a sigmoid of the pictures seen", () => {
  const images = 1000;
  const rising: TokenDropping = {
    kind: "scheduled",
    minimum: 0.2,
    maximum: 0.8,
    middle: images / 2,
    width: images / 10,
  };
  const falling: TokenDropping = { ...rising, width: -images / 10 };
  assert.equal(dropRate(rising, 100, 0, images / 2), 0.5);
  assert.equal(dropRate(falling, 100, 0, images / 2), 0.5);
  assert.ok(Math.abs(dropRate(rising, 100, 0, 600) - (0.2 + 0.6 / (1 + Math.exp(-1)))) < 1e-15);
  assert.ok(Math.abs(dropRate(rising, 1, 0, 0) + dropRate(falling, 1, 0, 0) - 1) < 1e-15);
  assert.equal(dropRate(rising, 100, 0, 1e9), 0.8);
  assert.equal(dropRate(falling, 100, 0, 1e9), 0.2);
});

Deno.test("token dropping: what is kept is rounded, at least one, and can be turned round", () => {
  assert.deepEqual([10, 1, 3, 256].map((tokens) => keptCount(tokens, 0.5)), [5, 1, 2, 128]);
  assert.equal(keptCount(4, 0.99), 1);
  assert.equal(keptCount(7, 0), 7);
  const rates = fc.double({ min: 0, max: 0.99, noNaN: true });
  fc.assert(fc.property(fc.integer({ min: 1, max: 2000 }), rates, (kept, rate) => {
    const most = mostTokens(kept, rate);
    assert.ok(keptCount(most, rate) <= kept);
    assert.ok(keptCount(most + 2, rate) > kept || keptCount(most + 1, rate) > kept);
    assert.ok(most >= kept);
  }));
  assert.equal(mostTokens(256, 0), 256);
});

Deno.test("token dropping: every token is kept equally often, in ascending order", () => {
  const [tokens, kept, count] = [23, 7, 6000];
  const times = new Array(tokens).fill(0);
  const pairs = new Array(tokens).fill(0);
  for (let position = 0; position < count; position++) {
    const chosen = keptTokens(tokens, kept, 8, position);
    assert.equal(chosen.length, kept);
    assert.ok(chosen.every((token, place) => place === 0 || token > chosen[place - 1]));
    assert.ok(chosen[0] >= 0 && chosen[kept - 1] < tokens);
    for (const token of chosen) times[token]++;
    if (chosen.includes(11)) { for (const token of chosen) pairs[token]++; }
  }
  const near = (value: number, share: number) => {
    const deviation = Math.sqrt(count * share * (1 - share));
    assert.ok(Math.abs(value - count * share) < 4.5 * deviation, `${value} of ${count * share}`);
  };
  for (const time of times) near(time, kept / tokens);
  const both = kept * (kept - 1) / (tokens * (tokens - 1));
  pairs.forEach((pair, token) => token === 11 || near(pair, both));
});

Deno.test("token dropping: nothing dropped, one kept, seeds and positions", () => {
  assert.deepEqual([...keptTokens(5, 5, 0, 0)], [0, 1, 2, 3, 4]);
  assert.deepEqual([...keptTokens(1, 1, 0, 0)], [0]);
  const single = new Set(Array.from({ length: 200 }, (_, p) => keptTokens(4, 1, 1, p)[0]));
  assert.deepEqual([...single].sort(), [0, 1, 2, 3]);
  assert.deepEqual(draw({ kind: "none" }, 3), [0, 0, 0]);
  assert.deepEqual(draw({ kind: "constant", rate: 0.3 }, 2), [0.3, 0.3]);
  const beta: TokenDropping = { kind: "beta", mean: 0.5, maximum: 0.9 };
  const rates = draw(beta, 20);
  assert.equal(dropRate(beta, 7, 3, 13), rates[13]);
  assert.notDeepEqual(draw(beta, 20, 100, 4), rates);
});

Deno.test("token dropping: numbers that make no sense are refused", async () => {
  const refuses = async (dropping: TokenDropping, expected: RegExp) =>
    await assertInputError(Promise.try(() => checkDropping(dropping)), "", expected);
  await refuses({ kind: "constant", rate: 1 }, /rate 1 .* 0 .. 0.99/);
  await refuses({ kind: "constant", rate: NaN }, /rate NaN/);
  await refuses({ kind: "beta", mean: 0.9, maximum: 0.9 }, /mean 0.9 .* between 0 and 0.9/);
  await refuses({ kind: "beta", mean: 0, maximum: 0.9 }, /mean 0 /);
  await refuses({ kind: "beta", mean: 0.5, maximum: 1.5 }, /maximum 1.5/);
  const range = { minimum: 0.2, maximum: 0.8 };
  await refuses({ kind: "resolution", ...range, fewest: 9, most: 9 }, /from 9 tokens to 9/);
  await refuses({ kind: "scheduled", ...range, middle: 5, width: 0 }, /width 0/);
  await refuses({ kind: "scheduled", ...range, minimum: -1, middle: 5, width: 1 }, /minimum -1/);
  checkDropping({ kind: "none" });
  checkDropping({ kind: "scheduled", ...range, middle: 5, width: -1 });
});
