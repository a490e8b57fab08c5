import assert from "node:assert/strict";
import fc from "fast-check";
import { topAccuracy } from "../../metrics/accuracy.ts";
import { allCascades, cascade, cascadeShares } from "../../metrics/cascade.ts";
import type { Prediction } from "../../metrics/prediction.ts";
import { InputError } from "../../base/errors.ts";
import { answer, anyAnswers } from "./helpers.ts";

const stage = (name: string, cost: number, predictions: readonly Prediction[]) => ({
  name,
  cost,
  predictions,
});

/** Two settings that saw the same images. */
const anyPair = anyAnswers().chain((few) =>
  fc.tuple(
    fc.constant(few),
    fc.array(fc.boolean(), { minLength: few.length, maxLength: few.length }),
  )
).map(([few, right]) => [few, right.map((isRight) => answer(isRight, 0.9))] as const);

Deno.test("four images by hand", () => {
  const few = [answer(true, 0.9), answer(false, 0.3), answer(true, 0.5), answer(false, 0.7)];
  const many = [answer(false, 1), answer(true, 1), answer(true, 1), answer(true, 1)];
  const { first, second, points } = cascade(
    stage("64", 1, few),
    stage("256", 4, many),
    [0, 0.25, 0.5, 0.75, 1],
  );
  assert.deepEqual([first, second], ["64", "256"]);
  assert.deepEqual(points, [
    { share: 0, cost: 1, accuracy: 0.5 },
    { share: 0.25, threshold: 0.3, cost: 2, accuracy: 0.75 },
    { share: 0.5, threshold: 0.5, cost: 3, accuracy: 0.75 },
    { share: 0.75, threshold: 0.7, cost: 4, accuracy: 1 },
    { share: 1, threshold: 0.9, cost: 5, accuracy: 0.75 },
  ]);
});

Deno.test("the ends are the single settings; between them the mix of both, recounted", () => {
  fc.assert(fc.property(anyPair, ([few, many]) => {
    const { points } = cascade(stage("few", 1, few), stage("many", 3, many));
    assert.equal(points.length, 21);
    assert.deepEqual([points[0].accuracy, points[0].cost], [topAccuracy(few), 1]);
    assert.deepEqual([points[20].accuracy, points[20].cost], [topAccuracy(many), 4]);
    for (const { share, accuracy, cost } of points) {
      const least = few.map((one, index) => ({ confidence: one.confidence, index }))
        .sort((a, b) => a.confidence - b.confidence || a.index - b.index)
        .slice(0, Math.round(share * few.length)).map(({ index }) => index);
      const mixed = few.map((one, index) => least.includes(index) ? many[index] : one);
      assert.ok(Math.abs(accuracy - topAccuracy(mixed)) < 1e-12);
      assert.ok(Math.abs(cost - (1 + 3 * share)) < 1e-12);
    }
  }));
});

Deno.test("equally sure images are sent in their order", () => {
  const few = [answer(false, 0.5), answer(false, 0.5)];
  const many = [answer(true, 1), answer(false, 1)];
  assert.equal(cascade(stage("a", 1, few), stage("b", 1, many), [0.5]).points[0].accuracy, 0.5);
  const swapped = cascade(stage("a", 1, few), stage("b", 1, many.toReversed()), [0.5]);
  assert.equal(swapped.points[0].accuracy, 0);
});

Deno.test("one image is sent from a half on", () => {
  const one = [answer(false, 0.5)];
  const { points } = cascade(stage("a", 1, one), stage("b", 2, [answer(true, 1)]), [0.4, 0.5]);
  assert.deepEqual(points.map(({ share }) => share), [0, 1]);
});

Deno.test("all pairs start with the cheaper setting", () => {
  const stages = [3, 1, 2].map((cost) => stage(String(cost), cost, [answer(true, 0.5)]));
  const pairs = allCascades(stages, cascadeShares).map(({ first, second }) => first + second);
  assert.deepEqual(pairs, ["12", "13", "23"]);
});

Deno.test("other images, no images and impossible shares are errors", () => {
  const one = stage("64 tokens", 1, [answer(true, 1)]);
  const two = stage("128 tokens", 1, [answer(true, 1), answer(true, 1)]);
  const other = stage("o", 1, [{ ...answer(true, 1), label: 1 }]);
  assert.throws(
    () => cascade(one, two),
    new RangeError("64 tokens and 128 tokens were not measured on the same images"),
  );
  assert.throws(() => cascade(one, other), RangeError);
  assert.throws(() => cascade(stage("x", 1, []), stage("y", 1, [])), InputError);
  for (const share of [-0.1, 1.1, NaN]) assert.throws(() => cascade(one, one, [share]), RangeError);
});
