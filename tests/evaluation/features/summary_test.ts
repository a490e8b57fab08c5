/** How often a classifier takes samples for what they are to show. */
import assert from "node:assert/strict";
import { classifierClasses } from "../../../evaluation/features/extractor.ts";
import { measureFeatures } from "../../../evaluation/features/measures.ts";
import { FeatureSummary } from "../../../evaluation/features/summary.ts";

const matrix = (columns: number, ...values: number[]) => ({
  rows: values.length / columns,
  columns,
  values: Float32Array.from(values),
});
const extractor = {
  name: "NaViT",
  path: "run",
  hash: "",
  resize: "",
  classNames: ["a", "b\u00e9"],
};

Deno.test("samples are counted whose largest logit is that of their class, over all batches", () => {
  const summary = new FeatureSummary([0, 1, 1, 0]);
  assert.equal(summary.accuracy(), undefined);
  summary.add({ pooled: matrix(1, 1, 2, 3), logits: matrix(2, 5, -1, -2, -3, 0, 7) });
  assert.equal(summary.accuracy(), 2 / 3);
  summary.add({ pooled: matrix(1, 4), logits: matrix(2, 0.5, 0.25) });
  assert.equal(summary.accuracy(), 3 / 4);
  const measures = measureFeatures(extractor, {}, summary);
  const { measure, value, n } = measures.at(-1)!;
  assert.deepEqual([measure, value, n], ["classifier accuracy of NaViT", 3 / 4, 4]);
});

Deno.test("without classes, or a classifier, nobody says what is right", () => {
  const logits = matrix(2, 1, 0, 0, 1, 1, 0, 0, 1);
  const untold = new FeatureSummary();
  untold.add({ pooled: matrix(1, 1, 2, 3, 4), logits });
  assert.equal(untold.accuracy(), undefined);
  assert(measureFeatures(extractor, {}, untold).every(({ measure }) => !/accuracy/.test(measure)));
  const unseen = new FeatureSummary([0, 1, 0, 1]);
  unseen.add({ pooled: matrix(1, 1, 2, 3, 4) });
  assert.equal(unseen.accuracy(), undefined);
});

Deno.test("classes are the classifier's by their names, in any order and Unicode form, or not at all", () => {
  assert.deepEqual(classifierClasses(extractor, ["be\u0301", "a"], [0, 1, 1]), [1, 0, 0]);
  assert.equal(classifierClasses(extractor, ["a", "c"], [0, 1]), undefined);
  assert.deepEqual(classifierClasses(extractor, ["a", "c"], [0, 0]), [0, 0]);
  assert.equal(classifierClasses(extractor, [], [0]), undefined);
  assert.equal(classifierClasses({ ...extractor, classNames: undefined }, ["a"], [0]), undefined);
});
