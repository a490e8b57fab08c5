import assert from "node:assert/strict";
import fc from "fast-check";
import { batchIndices, epochOrder, EpochSampler, isFlipped } from "../../../data/order/sampler.ts";

const seeds = fc.nat({ max: Number.MAX_SAFE_INTEGER });

Deno.test("sampler: every epoch is a permutation", () => {
  fc.assert(fc.property(seeds, fc.nat(1000), fc.integer({ min: 1, max: 300 }), (seed, epoch, n) => {
    const sorted = [...epochOrder(seed, epoch, n)].sort((a, b) => a - b);
    assert.deepEqual(sorted, Array.from({ length: n }, (_, index) => index));
  }));
});

Deno.test("sampler: the stream is one permutation after the other, whatever the batch size", () => {
  const sizes = fc.integer({ min: 1, max: 40 });
  fc.assert(fc.property(seeds, sizes, sizes, fc.nat(20), (seed, length, batchSize, step) => {
    const batch = batchIndices(seed, length, step, batchSize);
    batch.forEach((index, offset) => {
      const position = step * batchSize + offset;
      const order = epochOrder(seed, Math.floor(position / length), length);
      assert.equal(index, order[position % length]);
    });
  }));
});

Deno.test("sampler: orders differ between epochs and seeds; the order is pinned", () => {
  const order = (seed: number, epoch: number) => epochOrder(seed, epoch, 12).join(" ");
  const orders = [[0, 0], [0, 1], [1, 0], [2 ** 32, 0], [2 ** 40, 0], [0, 2 ** 33]];
  assert.equal(new Set(orders.map(([seed, epoch]) => order(seed, epoch))).size, orders.length);
  // A change of these numbers would silently change what resumed runs see.
  assert.equal(order(0, 0), "1 10 7 4 8 0 5 6 9 3 2 11");
});

Deno.test("sampler: each picture is equally likely at each position", () => {
  const length = 5;
  const epochs = 6000;
  const counts = new Float64Array(length * length);
  for (let epoch = 0; epoch < epochs; epoch++) {
    epochOrder(3, epoch, length).forEach((index, position) => counts[position * length + index]++);
  }
  const expected = epochs / length;
  const deviation = Math.sqrt(expected * (1 - 1 / length));
  for (const count of counts) assert.ok(Math.abs(count - expected) < 4.5 * deviation, `${count}`);
});

Deno.test("sampler: flips are fair, fixed and independent of the batch", () => {
  const count = 8000;
  const flips = Array.from({ length: count }, (_, position) => isFlipped(5, position));
  assert.ok(Math.abs(flips.filter(Boolean).length - count / 2) < 4.5 * Math.sqrt(count / 4));
  const repeats = flips.filter((flip, position) => flip === flips[position + 1]).length;
  assert.ok(Math.abs(repeats - count / 2) < 4.5 * Math.sqrt(count / 4));
  assert.notDeepEqual(flips, flips.map((_, position) => isFlipped(6, position)));
  isFlipped(5, 2 ** 50);
});

Deno.test("sampler: wrong arguments are refused", () => {
  for (const seed of [-1, 0.5, 2 ** 53, NaN]) {
    assert.throws(() => new EpochSampler(seed, 1, 1), /seed/);
  }
  for (const size of [0, -1, 1.5]) {
    assert.throws(() => new EpochSampler(0, size, 1), /length/);
    assert.throws(() => new EpochSampler(0, 1, size), /batch size/);
  }
});
