import assert from "node:assert/strict";
import { summarize } from "../../base/statistics.ts";

Deno.test("mean, deviation, minimum and median", () => {
  assert.deepEqual(summarize([4, 1, 2, 3]), {
    mean: 2.5,
    deviation: Math.sqrt(5 / 3),
    minimum: 1,
    median: 2.5,
  });
  assert.equal(summarize([9, 1, 5]).median, 5);
});

Deno.test("one sample deviates by nothing, none is an error", () => {
  assert.deepEqual(summarize([7]), { mean: 7, deviation: 0, minimum: 7, median: 7 });
  assert.throws(() => summarize([]), RangeError);
});
