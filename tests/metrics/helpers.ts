/** What the tests of evaluations share. */

import fc from "fast-check";
import type { Prediction } from "../../metrics/prediction.ts";

/** A prediction between two classes that is right or wrong; `label` is 0. */
export function answer(isCorrect: boolean, confidence: number): Prediction {
  const rank = isCorrect ? 0 : 1;
  return { label: 0, predicted: rank, rank, confidence };
}

/** Predictions between two classes, right or wrong, as fast-check draws them. */
export function anyAnswers(minLength = 1): fc.Arbitrary<Prediction[]> {
  const confidence = fc.double({ min: 0, max: 1, noNaN: true });
  return fc.array(fc.tuple(fc.boolean(), confidence).map(([right, p]) => answer(right, p)), {
    minLength,
    maxLength: 60,
  });
}
