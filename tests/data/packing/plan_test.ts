import assert from "node:assert/strict";
import { planEvaluation } from "../../../data/packing/evaluation_plan.ts";
import { packingStart } from "../../../data/packing/batch.ts";
import { type PackingOptions, type PlannedStep, planTraining } from "../../../data/packing/plan.ts";
import { gridAtSide, gridTokens, largestGrid } from "../../../data/packing/patch_grid.ts";
import { EpochSampler, isFlipped } from "../../../data/order/sampler.ts";
import { logNormalSizes, mixedSet } from "../helpers.ts";

const set = mixedSet(logNormalSizes(500));

/** Nearly the paper's own setting (NaViT, Table 2), with aspect ratios drawn at random. */
const options: PackingOptions = {
  sequences: 8,
  sequenceLength: 256,
  images: 16,
  patch: 16,
  seed: 11,
  resolution: {
    kind: "sampled",
    distribution: { kind: "uniform" },
    over: "side",
    minimum: 64,
    maximum: 256,
  },
  dropping: { kind: "beta", mean: 0.5, maximum: 0.9 },
};

function take(chosen: PackingOptions, count: number, position = packingStart): PlannedStep[] {
  return planTraining(set, chosen, position).take(count).toArray();
}

/** The pictures of some steps. */
function pictures(steps: readonly PlannedStep[]) {
  return steps.flatMap(({ sequences }) => sequences.flatMap(({ items }) => items));
}

function share(steps: readonly PlannedStep[], sequenceLength = 256): number {
  const tokens = steps.flatMap(({ sequences }) => sequences.map((sequence) => sequence.tokens));
  return tokens.reduce((sum, count) => sum + count, 0) / (tokens.length * sequenceLength);
}

Deno.test("packing plan: padding stays under 2 % with 64 open sequences, and falls with more", () => {
  const few = share(take({ ...options, openSequences: 8 }, 200));
  const many = share(take(options, 200));
  const most = share(take({ ...options, openSequences: 512 }, 256));
  // Papers 3.5: 6.5 % with 8, 1.2 % with 64, 0.5 % with 512.
  assert.ok(1 - many < 0.02, `${1 - many}`);
  assert.ok(1 - few > 0.04 && 1 - few < 0.09, `${1 - few}`);
  assert.ok(1 - most < 0.007, `${1 - most}`);
});

Deno.test("packing plan: images a sequence, and steps alike within a group", () => {
  const steps = take(options, 200);
  const counts = steps.flatMap(({ sequences }) => sequences.map(({ items }) => items.length));
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  assert.ok(mean > 4.2 && mean < 4.9, `${mean}`); // NaViT, Table 2: 4.88
  assert.ok(Math.max(...counts) <= 16);
  // The worst place within a group is not much worse than the best.
  const parts = Array.from(
    { length: 8 },
    (_, part) => share(steps.filter(({ step }) => step % 8 === part)),
  );
  assert.ok(Math.max(...parts) - Math.min(...parts) < 0.025, `${parts}`);
});

Deno.test("packing plan: no more images a sequence than allowed", () => {
  const steps = take({ ...options, images: 3 }, 50);
  assert.ok(steps.every(({ sequences }) => sequences.every(({ items }) => items.length <= 3)));
  assert.ok(steps.some(({ sequences }) => sequences.some((one) => one.isClosedByImages)));
  const single = take({ ...options, images: 1 }, 3);
  assert.ok(single.every(({ sequences }) => sequences.every(({ items }) => items.length === 1)));
});

Deno.test("packing plan: the stream in its order, every picture exactly once an epoch", () => {
  const steps = take(options, 24); // three groups
  const positions = pictures(steps).map(({ position }) => position);
  const sorted = positions.toSorted((a, b) => a - b);
  assert.deepEqual(sorted, Array.from({ length: sorted.length }, (_, position) => position));
  assert.ok(sorted.length > 500);
  const sampler = new EpochSampler(11, set.length, 1);
  for (const { index, position } of pictures(steps)) assert.equal(index, sampler.at(position));
  const epoch = pictures(steps).filter(({ position }) => position < 500);
  assert.equal(new Set(epoch.map(({ index }) => index)).size, 500);
});

Deno.test("packing plan: groups do not depend on the sequences a step", () => {
  const inOrder = (sequences: number) =>
    pictures(take({ ...options, sequences, openSequences: 64 }, 128 / sequences))
      .toSorted((a, b) => a.position - b.position);
  const expected = inOrder(64);
  for (const sequences of [1, 2, 8, 32]) assert.deepEqual(inOrder(sequences), expected);
  // Step k takes sequences k, k + S, ...: the sequences themselves are the same, too.
  const [whole] = take({ ...options, sequences: 64 }, 1);
  const parts = take({ ...options, sequences: 16 }, 4);
  parts.forEach(({ sequences }, part) => {
    const taken = whole.sequences.filter((_, number) => number % 4 === part);
    assert.deepEqual(sequences, taken);
  });
});

Deno.test("packing plan: every step's position goes on exactly", () => {
  const steps = take(options, 20);
  for (let start = 1; start < 20; start++) {
    const resumed = take(options, Math.min(3, 20 - start), steps[start - 1].next);
    assert.deepEqual(resumed, steps.slice(start, start + resumed.length));
  }
  steps.forEach(({ step, next }, number) =>
    assert.deepEqual([step, next.step], [number, number + 1])
  );
});

Deno.test("packing plan: draws belong to the picture's position, not to its neighbours", () => {
  const wide = pictures(take(options, 24));
  const tight = pictures(take({ ...options, images: 2, openSequences: 16 }, 60));
  const byPosition = new Map(wide.map((picture) => [picture.position, picture]));
  const both = tight.filter(({ position }) => byPosition.has(position));
  assert.ok(both.length > 300);
  for (const picture of both) assert.deepEqual(picture, byPosition.get(picture.position));
});

Deno.test("packing plan: the default number of open sequences is a multiple from 64 up", () => {
  for (const [sequences, steps] of [[64, 1], [10, 7], [100, 1], [1, 64]]) {
    const positions = take({ ...options, sequences }, steps).map(({ next }) => next.groupStart);
    assert.ok(positions.slice(0, -1).every((start) => start === 0), `${sequences}`);
    assert.ok(positions.at(-1)! > 0);
  }
});

Deno.test("packing plan: what is larger than a sequence shrinks, by as little as possible", () => {
  const large: PackingOptions = {
    ...options,
    resolution: { kind: "fixed", side: 1000 },
    dropping: { kind: "constant", rate: 0.5 },
  };
  for (const { index, grid, tokens, isShrunk } of pictures(take(large, 8))) {
    assert.ok(isShrunk);
    assert.deepEqual(grid, largestGrid(set.size(index), 512)); // half of 512.5 rounds to 256
    assert.ok(tokens <= 256);
  }
  const squares = pictures(take({ ...large, square: true }, 8));
  assert.ok(squares.every(({ grid }) => grid.rows === 22 && grid.columns === 22));
  const fitting = pictures(take({ ...large, resolution: { kind: "fixed", side: 64 } }, 8));
  assert.ok(fitting.every(({ isShrunk }) => !isShrunk));
});

Deno.test("packing plan: what is longer than allowed shrinks and is counted", () => {
  const long = { width: 3000, height: 30 };
  const mixed = mixedSet([...logNormalSizes(49), long]);
  const fixed: PackingOptions = { ...options, resolution: { kind: "fixed", side: 128 } };
  const planned = (changes: Partial<PackingOptions>) =>
    planTraining(mixed, { ...fixed, ...changes }, packingStart).take(8).toArray();
  const longest = 10;
  for (const { index, grid, isShrunk } of pictures(planned({ longest }))) {
    const asked = gridAtSide(mixed.size(index), 128, 16);
    const isLong = Math.max(asked.rows, asked.columns) > longest;
    assert.equal(isShrunk, isLong);
    assert.deepEqual(grid, isLong ? largestGrid(mixed.size(index), 256, longest) : asked);
    if (index === 49) assert.deepEqual(grid, { rows: 1, columns: 10 });
  }
  assert.deepEqual(planned({ longest: 100 }), planned({}));
  const squares = pictures(planned({ longest: 5, square: true }));
  assert.ok(squares.every(({ grid, isShrunk }) => isShrunk && gridTokens(grid) === 25));
});

Deno.test("packing plan: mirrored pictures, captions as a third capacity", () => {
  const text = { sequenceLength: 30, captionLength: 9 };
  const planned = pictures(take({ ...options, text, flip: true }, 16));
  for (const { position, index, isMirrored, caption, textTokens } of planned) {
    assert.equal(isMirrored, isFlipped(11, position));
    const bytes = new TextEncoder().encode(`picture ${index}`).subarray(0, 8);
    assert.deepEqual([...caption!], [...bytes, 256]);
    assert.equal(textTokens, 9);
  }
  const counts = take({ ...options, text }, 16)
    .flatMap(({ sequences }) => sequences.map(({ items }) => items.length));
  assert.equal(Math.max(...counts), 3);
  assert.ok(pictures(take(options, 2)).every(({ caption }) => caption === undefined));
});

Deno.test("packing plan: wrong arguments are refused before anything is planned", () => {
  const refuses = (changes: Partial<PackingOptions>, message: RegExp) =>
    assert.throws(() => planTraining(set, { ...options, ...changes }, packingStart), {
      name: "RangeError",
      message,
    });
  refuses({ openSequences: 12 }, /12 open sequences .* the 8 sequences/);
  refuses({ openSequences: 4 }, /4 open sequences/);
  refuses({ sequences: 0 }, /sequences a batch: 0/);
  refuses({ sequenceLength: 1.5 }, /tokens a sequence: 1.5/);
  refuses({ images: -1 }, /images a sequence: -1/);
  refuses({ patch: 0 }, /patch size: 0/);
  refuses({ seed: -1 }, /seed -1/);
  refuses({ longest: 0.5 }, /longest side of 0.5 patches/);
  refuses({ text: { sequenceLength: 4, captionLength: 5 } }, /captions of 5 .* sequences of 4/);
  const position = { step: 0, groupStart: -2 };
  assert.throws(() => planTraining(set, options, position), /picture -2/);
  const silent = { ...set, caption: undefined };
  const text = { sequenceLength: 4, captionLength: 4 };
  const plan = planTraining(silent, { ...options, text }, packingStart);
  assert.throws(() => plan.next(), { name: "RangeError", message: /without captions/ });
});

Deno.test("evaluation plan: all pictures in order, none dropped, the last batch not full", () => {
  const items = Array.from({ length: 100 }, (_, place) => {
    const index = 499 - place;
    return { index, grid: largestGrid(set.size(index), 60) };
  });
  const steps = planEvaluation(set, items, options).toArray();
  let first = 0;
  for (const { step, sequences, next } of steps) {
    assert.equal(sequences.length, 8);
    const positions = sequences.flatMap(({ items }) => items.map(({ position }) => position));
    const sorted = positions.toSorted((a, b) => a - b);
    assert.deepEqual(sorted, Array.from({ length: sorted.length }, (_, place) => first + place));
    first += sorted.length;
    assert.deepEqual(next, { step: step + 1, groupStart: first });
  }
  assert.equal(first, 100);
  for (const { index, position, grid, tokens, isMirrored } of pictures(steps)) {
    assert.deepEqual({ index, grid }, items[position]);
    assert.deepEqual([tokens, isMirrored], [gridTokens(grid), false]);
  }
  assert.deepEqual(planEvaluation(set, [], options).toArray(), []);
  const large = [{ index: 0, grid: { rows: 17, columns: 16 } }];
  assert.throws(() => planEvaluation(set, large, options).next(), {
    name: "RangeError",
    message: /272 tokens .* sequence of 256/,
  });
});
