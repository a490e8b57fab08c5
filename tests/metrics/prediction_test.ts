import assert from "node:assert/strict";
import fc from "fast-check";
import { predict } from "../../metrics/prediction.ts";
import { probabilities } from "../../metrics/probabilities.ts";
import fixtures from "../fixtures/evaluation.json" with { type: "json" };

const logits = fc.array(fc.double({ min: -1e4, max: 1e4, noNaN: true }), { minLength: 1 });

Deno.test("softmax sums to one and does not see a shift of all logits", () => {
  fc.assert(fc.property(logits, fc.integer({ min: -1000, max: 1000 }), (values, shift) => {
    const plain = probabilities(values, "softmax");
    const shifted = probabilities(values.map((value) => value + shift), "softmax");
    assert.ok(Math.abs(plain.reduce((sum, value) => sum + value) - 1) < 1e-12);
    plain.forEach((value, index) => assert.ok(Math.abs(value - shifted[index]) < 1e-11));
  }));
});

Deno.test("sigmoid: probabilities of x and -x sum to one, and nothing overflows", () => {
  fc.assert(fc.property(logits, (values) => {
    const plain = probabilities(values, "sigmoid");
    const negated = probabilities(values.map((value) => -value), "sigmoid");
    plain.forEach((value, index) => assert.ok(Math.abs(value + negated[index] - 1) < 1e-15));
  }));
  assert.deepEqual([...probabilities([0, 800, -800], "sigmoid")], [0.5, 1, 0]);
  assert.ok(probabilities([-40], "sigmoid")[0] > 4.2e-18, "small ones keep their digits");
});

Deno.test("confidences are PyTorch's", () => {
  for (const { activation, logits, labels, classes, confidence } of fixtures.calibration) {
    const found = predict({ logits, labels, classes }, activation as "softmax" | "sigmoid");
    assert.equal(found.length, labels.length);
    found.forEach((one, index) => {
      assert.ok(Math.abs(one.confidence - confidence[index]) < 1e-14);
    });
  }
});

Deno.test("ranks count the classes before the right one; equal logits keep their order", () => {
  const labels = [0, 1, 2, 3];
  const logits = labels.flatMap(() => [1, 5, 5, 0]);
  const found = predict({ logits, labels, classes: 4 }, "softmax");
  assert.deepEqual(found.map(({ rank }) => rank), [2, 0, 1, 3]);
  assert.deepEqual(found.map(({ predicted }) => predicted), [1, 1, 1, 1]);
});

Deno.test("sure sigmoids that round to one are still told apart by their logits", () => {
  const [found] = predict({ logits: [50, 60], labels: [1], classes: 2 }, "sigmoid");
  assert.deepEqual(found, { label: 1, predicted: 1, rank: 0, confidence: 1 });
});

Deno.test("one class and one image, and none", () => {
  const [found] = predict({ logits: [-3], labels: [0], classes: 1 }, "softmax");
  assert.deepEqual(found, { label: 0, predicted: 0, rank: 0, confidence: 1 });
  assert.deepEqual(predict({ logits: [], labels: [], classes: 3 }, "softmax"), []);
});

Deno.test("what cannot be a prediction is refused", () => {
  const bad = (logits: number[], labels: number[]) => () =>
    predict({ logits, labels, classes: 2 }, "softmax");
  assert.throws(bad([0, 1, NaN, 1], [0, 0]), {
    name: "NonFiniteLogitError",
    exitCode: 3,
    message: "image 1: the logit of class 0 is NaN",
  });
  assert.throws(
    bad([0, 1], [2]),
    new RangeError("image 0 has label 2, the classes go from 0 to 1"),
  );
  assert.throws(bad([0, 1], [-1]), RangeError);
  assert.throws(bad([0, 1, 2], [0]), RangeError);
});
