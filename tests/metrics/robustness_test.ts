import assert from "node:assert/strict";
import { robustness } from "../../metrics/robustness.ts";
import { InputError } from "../../base/errors.ts";
import { answer } from "./helpers.ts";

const shifted = (value: number, right: readonly number[]) => ({
  value,
  predictions: right.map((isRight) => answer(isRight === 1, 0.5)),
});

Deno.test("differences are taken image by image", () => {
  const [base, small] = [[1, 1, 1, 0, 1, 0, 1, 1], [1, 0, 0, 1, 1, 0, 1, 0]];
  const rows = robustness([shifted(224, base), shifted(64, small)], 224);
  assert.deepEqual(rows.map(({ value }) => value), [64, 224]);
  const [low, same] = rows;
  assert.equal(low.accuracy, 0.5);
  assert.equal(low.difference, -0.25);
  assert.equal(low.relative, 0.5 / 0.75);
  // One picture only the small one got right, three only the base: (1.5 - 3.5) / 10 = -0.2, with the
  // variance (5 / 10 - 0.2^2) / 10.
  const reach = 1.959964 * Math.sqrt(0.046);
  const [least, most] = low.differenceInterval!;
  assert.ok(Math.abs(least + 0.2 + reach) < 1e-6 && Math.abs(most + 0.2 - reach) < 1e-6);
  assert.deepEqual(same, {
    value: 224,
    accuracy: 0.75,
    difference: 0,
    relative: 1,
  });
});

Deno.test("no difference on few pictures is no certainty", () => {
  const none = Array.from({ length: 19 }, () => 0);
  const [row] = robustness([shifted(1, none), shifted(2, none)], 2);
  const [low, high] = row.differenceInterval!;
  assert.equal(row.difference, 0);
  assert.ok(low < -0.05 && high > 0.05, `${low} ${high}`);
});

Deno.test("where the base has none right nothing is relative", () => {
  const [row] = robustness([shifted(1, [0])], 1);
  assert.deepEqual(row, { value: 1, accuracy: 0, difference: 0 });
});

Deno.test("a missing base and other images are errors", () => {
  assert.throws(
    () => robustness([shifted(64, [1]), shifted(96, [1])], 224),
    new RangeError("base 224 was not measured; measured were 64, 96"),
  );
  assert.throws(() => robustness([], 224), /measured were none/);
  assert.throws(
    () => robustness([shifted(1, [1]), shifted(2, [1, 1])], 1),
    new RangeError("2 and 1 were not measured on the same images"),
  );
  assert.throws(() => robustness([shifted(1, [])], 1), InputError);
});
