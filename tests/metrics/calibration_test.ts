import assert from "node:assert/strict";
import fc from "fast-check";
import { topAccuracy } from "../../metrics/accuracy.ts";
import { calibrationBuckets, calibrationError } from "../../metrics/calibration.ts";
import { predict, type Prediction } from "../../metrics/prediction.ts";
import { InputError } from "../../base/errors.ts";
import fixtures from "../fixtures/evaluation.json" with { type: "json" };
import { answer, anyAnswers } from "./helpers.ts";

const errorOf = (answers: readonly Prediction[], count?: number) =>
  calibrationError(calibrationBuckets(answers, count));

Deno.test("30 buckets, computed another way in PyTorch", () => {
  for (const { activation, logits, labels, classes, calibrationError } of fixtures.calibration) {
    const found = predict({ logits, labels, classes }, activation as "softmax" | "sigmoid");
    assert.ok(Math.abs(errorOf(found) - calibrationError) < 1e-13);
  }
});

Deno.test("two buckets by hand", () => {
  const answers = [answer(true, 0.25), answer(false, 0.125), answer(true, 0.5), answer(true, 1)];
  const buckets = calibrationBuckets(answers, 2);
  assert.deepEqual(buckets, [
    { low: 0, high: 0.5, images: 2, confidence: 0.1875, accuracy: 0.5 },
    { low: 0.5, high: 1, images: 2, confidence: 0.75, accuracy: 1 },
  ]);
  assert.equal(calibrationError(buckets), 0.5 * 0.3125 + 0.5 * 0.25);
});

Deno.test("the error is between 0 and 1 and does not see the order of the images", () => {
  fc.assert(fc.property(anyAnswers(), fc.integer({ min: 1, max: 50 }), (answers, count) => {
    const error = errorOf(answers, count);
    assert.ok(error >= 0 && error <= 1 + 1e-12);
    assert.ok(Math.abs(errorOf(answers.toReversed(), count) - error) < 1e-12);
    const buckets = calibrationBuckets(answers, count);
    assert.equal(buckets.reduce((sum, { images }) => sum + images, 0), answers.length);
    for (const { low, high, images, confidence } of buckets) {
      const isInside = confidence! >= low - 1e-12 && confidence! <= high + 1e-12;
      assert.ok(images === 0 ? confidence === undefined : isInside);
    }
  }));
});

Deno.test("one bucket compares the means; more buckets cannot hide what it finds", () => {
  fc.assert(fc.property(anyAnswers(), fc.integer({ min: 1, max: 50 }), (answers, count) => {
    const confidence = answers.reduce((sum, one) => sum + one.confidence, 0) / answers.length;
    const gap = Math.abs(confidence - topAccuracy(answers));
    assert.ok(Math.abs(errorOf(answers, 1) - gap) < 1e-12);
    assert.ok(errorOf(answers, count) >= gap - 1e-12);
  }));
});

Deno.test("sure and right is 0, sure and wrong is 1", () => {
  assert.equal(errorOf([answer(true, 1)]), 0);
  assert.equal(errorOf([answer(false, 1)]), 1);
});

Deno.test("no images and no buckets are errors", () => {
  assert.throws(() => calibrationBuckets([]), InputError);
  for (const count of [0, 2.5, NaN]) {
    assert.throws(() => calibrationBuckets([answer(true, 1)], count), RangeError);
  }
});
