import assert from "node:assert/strict";
import fc from "fast-check";
import { accuracyInterval, classTable, topAccuracy } from "../../metrics/accuracy.ts";
import { predict } from "../../metrics/prediction.ts";
import { InputError } from "../../base/errors.ts";
import fixtures from "../fixtures/evaluation.json" with { type: "json" };
import { answer, anyAnswers } from "./helpers.ts";

Deno.test("top-1, top-2 and top-5 are PyTorch's", () => {
  for (const { activation, logits, labels, classes, topAccuracy: top } of fixtures.calibration) {
    const found = predict({ logits, labels, classes }, activation as "softmax" | "sigmoid");
    for (const [k, accuracy] of Object.entries(top)) {
      assert.ok(Math.abs(topAccuracy(found, Number(k)) - accuracy) < 1e-14);
    }
    assert.equal(topAccuracy(found, classes), 1);
  }
});

Deno.test("accuracy is the mean over images, in any order", () => {
  fc.assert(fc.property(anyAnswers(), (answers) => {
    const correct = answers.filter(({ rank }) => rank === 0).length;
    assert.equal(topAccuracy(answers), correct / answers.length);
    assert.equal(topAccuracy(answers.toReversed()), topAccuracy(answers));
    assert.equal(topAccuracy(answers, 2), 1);
  }));
});

Deno.test("no images and no such k are errors", () => {
  assert.throws(
    () => topAccuracy([]),
    new InputError("no images to evaluate: the data set is empty"),
  );
  for (const k of [0, -1, 1.5, NaN]) {
    assert.throws(() => topAccuracy([answer(true, 1)], k), RangeError);
  }
});

Deno.test("intervals are Wilson's, also where none or all are right", () => {
  // Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion", and R's
  // prop.test(x, n, correct = FALSE).
  const cases = [
    [0, 19, 0, 0.1681792],
    [19, 19, 0.8318208, 1],
    [15, 148, 0.0623864, 0.1604872],
    [50, 100, 0.4038315, 0.5961685],
    [0, 1, 0, 0.7934507],
  ];
  for (const [right, images, low, high] of cases) {
    const interval = accuracyInterval(right / images, images);
    assert.ok(Math.abs(interval[0] - low) < 1e-7, `${right} of ${images}: ${interval}`);
    assert.ok(Math.abs(interval[1] - high) < 1e-7, `${right} of ${images}: ${interval}`);
  }
});

Deno.test("classes: images, those correct, and those taken for it", () => {
  const logits = [2, 1, 0, 0, 1, 2, 0, 3, 1, 5, 0, 0];
  const found = predict({ logits, labels: [0, 0, 1, 1], classes: 3 }, "softmax");
  assert.deepEqual(classTable(found, ["cat", "dog", "owl"]), [
    { name: "cat", images: 2, correct: 1, accuracy: 0.5, predicted: 2 },
    { name: "dog", images: 2, correct: 1, accuracy: 0.5, predicted: 1 },
    { name: "owl", images: 0, correct: 0, predicted: 1 },
  ]);
  assert.throws(
    () => classTable(found, ["cat", "dog"]),
    new RangeError("class 2 has no name: there are 2 names"),
  );
});

Deno.test("the accuracies of the classes, weighted by images, are the accuracy", () => {
  const label = fc.integer({ min: 0, max: 4 });
  const pairs = fc.array(fc.tuple(label, label), { minLength: 1, maxLength: 50 });
  fc.assert(fc.property(pairs, (pairs) => {
    const predictions = pairs.map(([label, predicted]) => ({
      label,
      predicted,
      rank: label === predicted ? 0 : 1,
      confidence: 0.5,
    }));
    const rows = classTable(predictions, ["a", "b", "c", "d", "e"]);
    const sum = (value: (row: typeof rows[number]) => number) =>
      rows.reduce((total, row) => total + value(row), 0);
    assert.equal(sum(({ images }) => images), pairs.length);
    assert.equal(sum(({ predicted }) => predicted), pairs.length);
    const mean = sum(({ images, accuracy = 0 }) => images * accuracy) / pairs.length;
    assert.ok(Math.abs(mean - topAccuracy(predictions)) < 1e-12);
  }));
});
