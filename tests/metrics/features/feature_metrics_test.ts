/** Distances of features: closed forms, numbers of numpy and scipy, fewer samples than features. */
import assert from "node:assert/strict";
import {
  type FeatureMatrix,
  NonFiniteFeatureError,
} from "../../../metrics/features/feature_matrix.ts";
import { frechetDistance } from "../../../metrics/features/frechet.ts";
import { type Gaussian, GaussianEstimate, gaussianOf } from "../../../metrics/features/gaussian.ts";
import { inceptionScore } from "../../../metrics/features/inception_score.ts";
import { kernelDistance } from "../../../metrics/features/kernel_distance.ts";
import { precisionRecall } from "../../../metrics/features/manifolds.ts";
import golden from "../../fixtures/feature_metrics.json" with { type: "json" };

/** The features of `make_feature_metrics.py`. */
function features(rows: number, columns: number, seed: number): FeatureMatrix {
  const values = Float32Array.from({ length: rows * columns }, (_, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    const number = (row * 7919 + column * 104729 + (row * column) % 31 * 613 + seed * 15485863) %
      257;
    return (number - 128) / 64 + column * 0.25 + seed * 0.125;
  });
  return { rows, columns, values };
}

const matrix = (...rows: number[][]): FeatureMatrix => ({
  rows: rows.length,
  columns: rows[0].length,
  values: Float64Array.from(rows.flat()),
});

const diagonal = (mean: number[], variances: number[]): Gaussian => ({
  mean: Float64Array.from(mean),
  covariance: Float64Array.from(
    { length: mean.length ** 2 },
    (_, index) => index % (mean.length + 1) === 0 ? variances[index / (mean.length + 1)] : 0,
  ),
});

function near(actual: number, expected: number, what: string, tolerance = 1e-9): void {
  const difference = Math.abs(actual - expected);
  assert(
    difference <= tolerance * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, ${expected}`,
  );
}

for (const { rows, columns, ...expected } of golden) {
  Deno.test(`${rows.join(" and ")} samples of ${columns} features: numbers of numpy and scipy`, () => {
    const real = features(rows[0], columns, 1);
    const generated = features(rows[1], columns, 2);
    const compared = { real, generated };
    const distance = frechetDistance(gaussianOf(real), gaussianOf(generated));
    near(distance, expected.frechet, "Frechet distance", 2e-7);
    near(inceptionScore(generated, 10).mean, expected.score, "Inception Score");
    const { precision, recall } = precisionRecall(compared);
    near(precision, expected.precision, "precision");
    near(recall, expected.recall, "recall");
    const all = { size: Math.max(...rows) };
    if (rows[0] === rows[1]) near(kernelDistance(compared, all).mean, expected.kernel, "kernel");
  });
}

Deno.test("the Frechet distance of independent features is that of their means and deviations", () => {
  const distance = frechetDistance(
    diagonal([1, -2, 0], [4, 9, 0]),
    diagonal([0, 0, 5], [1, 16, 25]),
  );
  near(distance, 1 + 4 + 25 + (2 - 1) ** 2 + (3 - 4) ** 2 + 5 ** 2, "closed form");
});

Deno.test("samples are no distance from themselves, fewer than features too", () => {
  for (const samples of [features(50, 6, 3), features(5, 40, 3)]) {
    const gaussian = gaussianOf(samples);
    const scale = gaussian.covariance.reduce((sum, value) => Math.max(sum, value), 0);
    assert(frechetDistance(gaussian, gaussian) < 1e-9 * scale);
  }
});

Deno.test("covariances without common directions leave only their traces", () => {
  near(frechetDistance(diagonal([0, 0], [4, 0]), diagonal([0, 0], [0, 9])), 13, "distance");
  near(frechetDistance(diagonal([0, 0], [0, 0]), diagonal([3, 4], [0, 0])), 25, "points");
});

Deno.test("mean and covariance of batches are those of the whole, far from 0 too", () => {
  const far = features(30, 4, 1);
  const shifted = { ...far, values: Float64Array.from(far.values, (value) => value + 1e8) };
  const estimate = new GaussianEstimate(4);
  for (const [first, last] of [[0, 1], [1, 12], [12, 12], [12, 30]]) {
    const values = shifted.values.subarray(4 * first, 4 * last);
    estimate.add({ rows: last - first, columns: 4, values });
  }
  assert.equal(estimate.count, 30);
  const [found, whole] = [estimate.gaussian(), gaussianOf(far)];
  found.mean.forEach((value, index) => near(value, whole.mean[index] + 1e8, "mean", 1e-15));
  found.covariance.forEach((value, index) =>
    near(value, whole.covariance[index], "covariance", 1e-7)
  );
});

Deno.test("the Inception Score is the number of classes at best, 1 at worst", () => {
  const sure = matrix([900, 0, 0], [0, 900, 0], [0, 0, 900]);
  near(inceptionScore(sure).mean, 3, "every class, without doubt");
  near(inceptionScore(matrix([5, 5, 5], [1, 1, 1])).mean, 1, "nothing known");
  near(inceptionScore(matrix([900, 0], [900, 0])).mean, 1, "one class");
  const parts = inceptionScore(matrix([900, 0], [0, 900], [900, 0]), 2);
  near(parts.mean, 1.5, "mean of a part with 2 and one with 1");
  near(parts.deviation, Math.SQRT1_2, "their deviation");
});

Deno.test("precision is of generated samples, recall of real ones", () => {
  // Real: two groups. Generated: all in the first group, none in the second.
  const real = matrix([0], [1], [2], [3], [100], [101], [102], [103]);
  const generated = matrix([0.5], [1.5], [2.5], [1.2], [1.7]);
  assert.deepEqual(precisionRecall({ real, generated }), { precision: 1, recall: 0.5 });
  assert.deepEqual(precisionRecall({ real: generated, generated: real }), {
    precision: 0.5,
    recall: 1,
  });
});

Deno.test("equal samples are within balls of radius 0", () => {
  const same = matrix([1, 2], [1, 2], [1, 2], [1, 2]);
  assert.deepEqual(precisionRecall({ real: same, generated: same }), { precision: 1, recall: 1 });
});

Deno.test("the kernel distance has no bias, and depends on the seed only", () => {
  const [a, b] = [matrix([0], [2]), matrix([1], [3])];
  // (xy + 1)³: real pairs 1, generated pairs 4³, between 1, 1, 3³ and 7³.
  near(
    kernelDistance({ real: a, generated: b }).mean,
    1 + 64 - 2 * (1 + 1 + 27 + 343) / 4,
    "by hand",
  );
  const compared = { real: features(40, 5, 1), generated: features(33, 5, 2) };
  const drawn = (seed: number) => kernelDistance(compared, { subsets: 20, size: 10, seed });
  assert.deepEqual(drawn(1), drawn(1));
  assert.notEqual(drawn(1).mean, drawn(2).mean);
  assert(drawn(1).deviation > 0);
  const many = kernelDistance(compared, { subsets: 3000, size: 20 });
  near(many.mean, golden[0].kernel, "mean of many subsets", 5 * many.deviation / Math.sqrt(3000));
});

Deno.test("what cannot be measured is refused", () => {
  const one = matrix([1, 2]);
  const two = matrix([1, 2], [3, 5]);
  assert.throws(() => gaussianOf(one), /1 samples have no covariance: 2 are needed/);
  assert.throws(
    () => gaussianOf({ ...one, columns: 3 }),
    /2 values are not 1 samples of 3 features/,
  );
  assert.throws(
    () => frechetDistance(gaussianOf(two), gaussianOf(matrix([1], [2]))),
    /means of 2 and 1 features/,
  );
  const compared = { real: two, generated: two };
  assert.throws(() => precisionRecall(compared), /2 samples are too few: at least 4 are needed/);
  assert.throws(() => precisionRecall(compared, 0), /0 neighbours/);
  assert.throws(() => kernelDistance({ real: two, generated: one }), /1 samples are too few/);
  assert.throws(() => kernelDistance(compared, { subsets: 0 }), /0 subsets/);
  assert.throws(() => kernelDistance({ real: two, generated: matrix([1]) }), /2 features of real/);
  assert.throws(() => inceptionScore(two, 0), /parts of 0 pictures/);
  const bad = matrix([1, 2], [NaN, 4]);
  assert.throws(() => gaussianOf(bad), NonFiniteFeatureError);
  assert.throws(() => gaussianOf(bad), /sample 1: feature 0 is NaN/);
});
