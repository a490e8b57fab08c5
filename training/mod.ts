/**
 * Training, whatever the model: losses, the step with its optimizer and learning rate, checkpoints.
 *
 * @example The learning rate of a cosine with warm-up
 * ```ts
 * import { learningRateAt } from "./mod.ts";
 *
 * const schedule = { kind: "cosine", warmup: 100, steps: 1000, minimum: 0 } as const;
 * const rates = [50, 100, 1000].map((step) => learningRateAt(step, 1e-3, schedule));
 * if (rates[0] !== 5e-4 || rates[1] !== 1e-3 || rates[2] > 1e-9) throw new Error(`${rates}`);
 * ```
 *
 * @module
 */
export type { RunFamily, RunSchemas } from "./checkpoints/families.ts";
export type { DataPosition } from "./runs/batch_source.ts";
export { classificationLoss, type SlotTargets } from "./losses/classification.ts";
export { contrastiveLoss } from "./losses/contrastive.ts";
export {
  type Adversary,
  type Measured,
  type StepGraphs,
  stepInParts,
  type StepLosses,
  type StepSettings,
  wholeStep,
} from "./step/step_graphs.ts";
export { type OptimizerSettings } from "./step/optimizer.ts";
export { constantRate, learningRateAt, type RateSchedule } from "./step/learning_rate.ts";
export { firstLossScale, lossScaleEntries, lossScaleInterval } from "./step/loss_scaling.ts";
export {
  allocateState,
  initializeState,
  type ParameterBuffers,
  type StateExtras,
  Trainer,
  type TrainingState,
} from "./step/trainer.ts";
export {
  type ReadOptions,
  readState,
  readWeights,
  type WeightChoice,
  weightsPath,
  writeCheckpoint,
} from "./checkpoints/checkpoint.ts";
export { verifyCheckpoint } from "./checkpoints/whole_checkpoint.ts";
export {
  type CheckpointRecord,
  type Description,
  type EvaluationSchedule,
  type ForkOrigin,
  type Manifest,
  readManifest,
  type RunChange,
  type RunDescription,
  type RunProgress,
  type RunSchedule,
  type SampleSchedule,
} from "./checkpoints/manifest.ts";
export type { CommonSettings } from "./checkpoints/settings.ts";
