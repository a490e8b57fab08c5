/**
 * How good a classifier is: accuracy with intervals, calibration, cascades, robustness, linear probes.
 * How near generated samples are to real ones, by features of both (Frechet and kernel distances, the
 * Inception Score, precision and recall), and reconstructions to their originals.
 *
 * @example Two pictures of three classes
 * ```ts
 * import { accuracyInterval, predict, topAccuracy } from "./mod.ts";
 *
 * const logits = Float32Array.of(2, 1, 0, 0, 1, 2);
 * const predictions = predict({ logits, labels: Int32Array.of(0, 1), classes: 3 }, "softmax");
 * const accuracy = topAccuracy(predictions);
 * if (accuracy !== 0.5) throw new Error(`${accuracy}`);
 * const [low, high] = accuracyInterval(accuracy, predictions.length);
 * if (low > 0.1 || high < 0.9) throw new Error("two pictures tell little");
 * ```
 *
 * @module
 */
export type { Activation } from "./probabilities.ts";
export {
  type LabelledLogits,
  NonFiniteLogitError,
  predict,
  type Prediction,
} from "./prediction.ts";
export {
  accuracyInterval,
  type ClassRow,
  classTable,
  type Interval,
  topAccuracy,
} from "./accuracy.ts";
export { type CalibrationBucket, calibrationBuckets, calibrationError } from "./calibration.ts";
export {
  allCascades,
  type Cascade,
  cascade,
  type CascadePoint,
  cascadeShares,
  type CascadeStage,
} from "./cascade.ts";
export { type CostedAccuracy, paretoFront } from "./pareto.ts";
export {
  type LabelledFeatures,
  linearProbe,
  type ProbeOptions,
  type ProbeResult,
} from "./linear_probe.ts";
export { robustness, type RobustnessRow, type ShiftedPredictions } from "./robustness.ts";
export {
  type ClipQuality,
  clipQuality,
  meanSquaredError,
  peakSignalToNoise,
  structuralSimilarity,
  type ValueClip,
} from "./reconstruction.ts";
export type { Summary } from "../base/statistics.ts";
export {
  type ComparedFeatures,
  type FeatureMatrix,
  NonFiniteFeatureError,
} from "./features/feature_matrix.ts";
export { type Gaussian, GaussianEstimate, gaussianOf } from "./features/gaussian.ts";
export { frechetDistance } from "./features/frechet.ts";
export { inceptionScore, InceptionScoreEstimate } from "./features/inception_score.ts";
export { kernelDistance, type KernelDistanceOptions } from "./features/kernel_distance.ts";
export { type PrecisionRecall, precisionRecall } from "./features/manifolds.ts";
