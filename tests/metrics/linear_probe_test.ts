import assert from "node:assert/strict";
import { fitProbe, linearProbe, type ProbeOptions } from "../../metrics/linear_probe.ts";
import { type Matrix, solveRidge } from "../../metrics/ridge.ts";
import { InputError } from "../../base/errors.ts";
import { randomElement } from "../../base/philox.ts";
import fixtures from "../fixtures/evaluation.json" with { type: "json" };

function matrix(values: readonly number[], rows: number): Matrix {
  return { rows, columns: values.length / rows, values: Float64Array.from(values) };
}

Deno.test("weights are those found through eigenvalues, in the primal and the dual form", () => {
  const forms = fixtures.probe.map(({ whitened, labels, classes, ridge, weights }) => {
    const x = matrix(whitened, labels.length);
    const targets = labels.flatMap((label) =>
      Array.from({ length: classes }, (_, index) => label === index ? 1 : -1)
    );
    const found = solveRidge(x, matrix(targets, labels.length), ridge);
    assert.deepEqual([found.rows, found.columns], [x.columns, classes]);
    const largest = Math.max(...weights.map(Math.abs));
    found.values.forEach((value, index) => {
      assert.ok(Math.abs(value - weights[index]) < 1e-11 * largest);
    });
    return x.columns <= x.rows ? "primal" : "dual";
  });
  assert.deepEqual(forms, ["primal", "dual", "dual"]);
});

Deno.test("a whole probe predicts what numpy's does", () => {
  for (const { features, labels, classes, ridge, test, predicted, margin } of fixtures.probe) {
    assert.ok(margin > 1e-4, "no prediction hangs on rounding");
    const classify = fitProbe(matrix(features, labels.length), labels, classes, ridge);
    assert.deepEqual(classify(matrix(test, 20)), predicted);
  }
});

Deno.test("the border between two classes of unequal size, by hand", () => {
  // Whitened, the feature is z and sums to 0, so the scores of class 1 are w z + b with
  // w = sum z y / (n + ridge) and b = 100^2 sum y / (100^2 n + ridge): y is 1, 1, 1, -1.
  const classify = fitProbe(matrix([0, 0, 0, 1], 4), [1, 1, 1, 0], 2, 1024);
  const deviation = Math.sqrt(3 / 16) + 1e-5;
  const slope = (3 * -0.25 - 0.75) / deviation / (4 + 1024);
  const bias = 100 ** 2 * 2 / (100 ** 2 * 4 + 1024);
  const border = 0.25 + -bias / slope * deviation;
  assert.deepEqual(classify(matrix([0.9999 * border, 1.0001 * border], 2)), [1, 0]);
});

const names = ["a", "b", "c"];

/** Images whose features are the class's corner of a triangle, and noise. */
function blobs(count: number, width: number, noise: number, stream: number) {
  const labels = Array.from({ length: count }, (_, index) => index % 3);
  const features = labels.flatMap((label, image) =>
    Array.from(
      { length: width },
      (_, index) =>
        (index % 3 === label ? 1 : 0) +
        noise * randomElement("normal", [7, 0], image, 0, stream, index),
    )
  );
  return { features, labels };
}

Deno.test("separable classes are told apart, pure noise is not", () => {
  for (const width of [3, 40]) {
    const clear = linearProbe(blobs(90, width, 0.05, 0), blobs(60, width, 0.05, 1), names);
    assert.deepEqual([clear.mean, clear.deviation], [1, 0]);
    assert.deepEqual([clear.shots, clear.ridge, clear.classes, clear.images], [10, 1024, 3, 60]);
  }
  const noise = linearProbe(blobs(90, 4, 1000, 0), blobs(600, 4, 1000, 1), names);
  assert.ok(Math.abs(noise.mean - 1 / 3) < 0.1, `${noise.mean}`);
});

Deno.test("seeds choose other shots; mean and deviation are over them", () => {
  const [train, test] = [blobs(90, 5, 0.8, 0), blobs(200, 5, 0.8, 1)];
  const result = linearProbe(train, test, names, { shots: 2, seeds: [0, 1, 2, 3] });
  const accuracies = result.runs.map(({ accuracy }) => accuracy);
  assert.ok(new Set(accuracies).size > 1, "other shots, other accuracies");
  const mean = accuracies.reduce((sum, value) => sum + value) / 4;
  const squares = accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  assert.ok(Math.abs(result.mean - mean) < 1e-15);
  assert.ok(Math.abs(result.deviation - Math.sqrt(squares / 3)) < 1e-15);
  assert.deepEqual(linearProbe(train, test, names, { shots: 2, seeds: [0, 1, 2, 3] }), result);
});

Deno.test("a feature that never changes does no harm", () => {
  const constant = ({ features, labels }: ReturnType<typeof blobs>) => ({
    features: labels.flatMap((_, row) => [...features.slice(row * 3, row * 3 + 3), 4.2]),
    labels,
  });
  const [train, test] = [blobs(30, 3, 0.05, 0), blobs(30, 3, 0.05, 1)].map(constant);
  assert.equal(linearProbe(train, test, names).mean, 1);
});

Deno.test("one class and one image", () => {
  const one = { features: [0.5, 2], labels: [0] };
  const { mean, runs } = linearProbe(one, one, ["only"], { shots: 1, seeds: [9] });
  assert.equal(mean, 1);
  assert.deepEqual(runs, [{ seed: 9, accuracy: 1 }]);
});

Deno.test("what the probe cannot use is refused in one line", () => {
  const good = blobs(30, 3, 0.1, 0);
  const none = { features: [], labels: [] };
  const broken = { ...good, features: good.features.with(4, Infinity) };
  const wrong: [() => unknown, RegExp][] = [
    [() => linearProbe(good, none, names), /no test images/],
    [() => linearProbe(none, good, names), /no training images/],
    [() => linearProbe(broken, good, names), /feature 1 of training image 1 is Infinity/],
    [() => linearProbe(good, good, names, { shots: 11 }), /class "a" has 10 of the 11 examples/],
  ];
  for (const [call, message] of wrong) {
    assert.throws(call, (error) => error instanceof InputError && message.test(error.message));
  }
  const option = (options: ProbeOptions) => () => linearProbe(good, good, names, options);
  assert.throws(option({ ridge: 0 }), /^RangeError: ridge 0 .* not above 0/);
  assert.throws(option({ seeds: [] }), /^RangeError: .*at least one seed/);
  const narrow = { features: good.labels.map(() => 1), labels: good.labels };
  assert.throws(() => linearProbe(good, narrow, names), /widths 3 and 1/);
});
