/**
 * Tessera: diffusion transformers on any GPU through WebGPU and on any CPU through WebAssembly.
 *
 * A model is a pure function over symbolic tensors. Calling it traces a graph; gradients, cost,
 * fusion and the memory plan are functions of that graph; a device replays the compiled program.
 *
 * @example Fit a line
 * ```ts
 * import {
 *   compile, gradients, input, linear, makeGraph, mean, multiply, selectDevice, square, state,
 *   subtract,
 * } from "./mod.ts";
 *
 * const x = input("x", [4, 1]);
 * const y = input("y", [4, 1]);
 * const weight = state("weight", [1, 1]);
 * const loss = mean(square(subtract(linear(x, weight), y)));
 * const [gradient] = gradients(loss, [weight]);
 * const step = makeGraph("gradient descent", {
 *   outputs: { loss },
 *   updates: [{ state: weight, value: subtract(weight, multiply(0.05, gradient)) }],
 * });
 *
 * const { device } = await selectDevice({ device: "wasm", threads: 1 });
 * const program = await device.load(compile(step));
 * program.buffer("x").write(Float32Array.of(1, 2, 3, 4));
 * program.buffer("y").write(Float32Array.of(2, 4, 6, 8));
 * for (let i = 0; i < 50; i++) program.run();
 * const [slope] = await program.buffer("weight").read();
 * device.close();
 * if (Math.abs(slope - 2) > 1e-4) throw new Error(`the slope is ${slope}`);
 * ```
 *
 * @example Count the parameters and multiply-adds of a published model
 * ```ts
 * import {
 *   countParameters, dit, ditConfigs, ditParameters, graphCost, input, lookup, makeGraph,
 *   parameterStates,
 * } from "./mod.ts";
 *
 * const config = ditConfigs.get("DiT-XL/2")!;
 * const table = ditParameters(config);
 * const out = dit(
 *   config,
 *   lookup(parameterStates(table)),
 *   input("x", [1, 4, 32, 32]),
 *   input("t", [1], "i32"),
 *   input("y", [1], "i32"),
 * );
 * const { multiplyAdds } = graphCost(makeGraph("forward", { outputs: { out } }));
 * if (countParameters(table).parameters !== 675_129_632) throw new Error("parameters");
 * if (multiplyAdds !== 118_621_421_568) throw new Error("multiply-adds");
 * ```
 *
 * @module
 */

// Tensors and graphs
export {
  type Arithmetic,
  constantTensor,
  type ElementWork,
  input,
  type Node,
  state,
  type Tensor,
  type ValueType,
} from "./kernels/tensor.ts";
export type {
  ArithmeticType,
  DType,
  FloatType,
  HostArray,
  Shape,
  StoredArray,
} from "./kernels/shape.ts";
export {
  type Graph,
  graphCost,
  type GraphParts,
  makeGraph,
  type Update,
} from "./kernels/graph/graph.ts";
export { filled, gradients } from "./kernels/graph/gradients.ts";
export { compile } from "./kernels/graph/compile.ts";
export type * from "./kernels/program.ts";
export type { View } from "./kernels/view.ts";
export type * from "./kernels/ops/attention/step.ts";
export type * from "./kernels/ops/convolution/step.ts";
export type * from "./kernels/ops/elementwise/step.ts";
export type * from "./kernels/ops/embedding/step.ts";
export type * from "./kernels/ops/layer_norm/step.ts";
export type * from "./kernels/ops/matmul/step.ts";
export type * from "./kernels/ops/optimizer/step.ts";
export type * from "./kernels/ops/random/step.ts";
export type * from "./kernels/ops/reduce/step.ts";
export type * from "./kernels/ops/widen/step.ts";
export {
  type BinaryOp,
  type Expression,
  type ScalarType,
  type UnaryOp,
} from "./kernels/expression.ts";

// Operations
export {
  add,
  cosine,
  divide,
  exponential,
  geluTanh,
  logarithm,
  map,
  maximum,
  minimum,
  multiply,
  negate,
  type Operand,
  sigmoid,
  silu,
  sine,
  square,
  squareRoot,
  subtract,
  tanh,
  toFloat,
  where,
} from "./kernels/ops/elementwise/op.ts";
export { mean, reduceMaximum, reduceSum } from "./kernels/ops/reduce/op.ts";
export { linear, matmul } from "./kernels/ops/matmul/op.ts";
export { convolution, type ConvolutionOptions } from "./kernels/ops/convolution/op.ts";
export { groupNorm, type GroupNormOptions } from "./kernels/ops/group_norm/op.ts";
export {
  blurPool,
  depthToSpace,
  downsampleNearest,
  spaceToDepth,
  upsampleNearest,
} from "./kernels/ops/resample/op.ts";
export { attention, type Segments } from "./kernels/ops/attention/op.ts";
export { scoreLogSumExp } from "./kernels/ops/attention/score_log_sum_exp.ts";
export { affineLayerNorm, layerNorm } from "./kernels/ops/layer_norm/op.ts";
export { gather } from "./kernels/ops/embedding/op.ts";
export { randomNormal, type RandomSource, randomUniform } from "./kernels/ops/random/op.ts";
export {
  broadcastTo,
  concatenate,
  detach,
  pad,
  permute,
  reshape,
  slice,
  split,
  transpose,
} from "./kernels/ops/movement/op.ts";
export { adamw, type AdamWOperands } from "./kernels/ops/optimizer/op.ts";

// Devices
export type {
  Availability,
  Device,
  DeviceBuffer,
  DeviceKind,
  DeviceOptions,
  DeviceReport,
  Executable,
  MemoryLimits,
  VectorWidth,
} from "./kernels/device.ts";
export type {
  KindTime,
  Profile,
  ProfiledRun,
  ProfiledSpan,
  Profiler,
  Stretch,
} from "./kernels/profile.ts";
export { timeByKind } from "./kernels/profile.ts";
export type { Cost } from "./kernels/cost.ts";
export type { DeviceName } from "./kernels/devices.ts";
export { type ChosenDevice, type DeviceRequest, selectDevice } from "./kernels/select_device.ts";
export { NoAdapterError } from "./kernels/webgpu/adapter.ts";

// Families of models
export type {
  CaseFace,
  Family,
  PublishedCounts,
  TracedModel,
  TrainingFace,
  TrainingWorkload,
  Workload,
  WorkSize,
} from "./models/family.ts";
export { allFamilies, familyByName, registerFamily } from "./models/registry.ts";
export type { FamilyConfig, Schema } from "./nn/config.ts";
export type { RunFamily, RunSchemas } from "./training/runs/families.ts";
export type { DataPosition } from "./training/runs/batch_source.ts";
export type { VerificationCase } from "./evaluation/verify/verification.ts";
export type { Expected } from "./evaluation/verify/case_file.ts";
export type { Cell, Column } from "./formats/text/table.ts";

// Models
export { dit, type DiTConfig, ditConfigs, ditParameters } from "./models/dit/model.ts";
export {
  imageVectors,
  navit,
  type NaViTConfig,
  navitConfigs,
  navitParameters,
  type PackedImages,
} from "./models/navit/model.ts";
export type { PatchPlaces, PositionConfig } from "./models/navit/positions.ts";
export type { PackedCaptions, TextConfig } from "./models/navit/text.ts";
export {
  captionGraph,
  captionInputs,
  describeNaViT,
  imageInputs,
  type NaViTCounts,
  navitForwardGraph,
  type NaViTOutput,
  type PackShape,
} from "./models/navit/graph.ts";
export type { TransformerConfig } from "./nn/transformer.ts";
export {
  countParameters,
  type Initializer,
  lookup,
  type Parameters,
  type ParameterSpecification,
  parameterStates,
  type WeightType,
} from "./nn/parameters.ts";

// Pictures of mixed sizes
export {
  type OpeningStage,
  type OpeningWatch,
  openPictureSet,
  type OpenPictureSetOptions,
  type Split,
} from "./data/open.ts";
export type { PictureSet, PictureSource } from "./data/picture_set.ts";
export type { SkipReport } from "./data/pictures/skip_report.ts";
export type { Bitmap } from "./formats/pictures/bitmap.ts";
export {
  createPackedLoader,
  type EvaluationOptions,
  type PackedLoader,
  type PackedLoaderOptions,
  packForEvaluation,
  type PreparationOptions,
} from "./data/packing/loader.ts";
export type {
  PackedArrays,
  PackedBatch,
  PackedCounts,
  PackedShape,
  PackedTextShape,
  PackingPosition,
} from "./data/packing/batch.ts";
export type { PackingOptions } from "./data/packing/plan.ts";
export {
  gridAtSide,
  largestGrid,
  type PatchGrid,
  type PictureSize,
} from "./data/packing/patch_grid.ts";
export type { EvaluationPicture } from "./data/packing/evaluation_plan.ts";
export type { Resolution, UnitDistribution } from "./data/packing/resolution.ts";
export type { TokenDropping } from "./data/packing/token_dropping.ts";

// Diffusion
export {
  linearSchedule,
  respace,
  type Schedule,
  spacedTimesteps,
  type Spacing,
} from "./diffusion/schedule.ts";
export {
  addNoise,
  hybridLoss,
  type ObjectiveOperands,
  type SampleLosses,
  type ScheduleAt,
  scheduleAt,
} from "./diffusion/objective.ts";
export type { Guidance, Network } from "./diffusion/guidance.ts";
export type { SamplerName, SamplerOptions } from "./diffusion/samplers.ts";
export {
  SamplingProgram,
  type SamplingProgress,
  type SamplingRequest,
  type SamplingSettings,
} from "./diffusion/sampling.ts";

// Evaluation
export type { Activation } from "./metrics/probabilities.ts";
export { type LabelledLogits, predict, type Prediction } from "./metrics/prediction.ts";
export {
  accuracyInterval,
  type ClassRow,
  classTable,
  type Interval,
  topAccuracy,
} from "./metrics/accuracy.ts";
export {
  type CalibrationBucket,
  calibrationBuckets,
  calibrationError,
} from "./metrics/calibration.ts";
export {
  allCascades,
  type Cascade,
  cascade,
  type CascadePoint,
  cascadeShares,
  type CascadeStage,
} from "./metrics/cascade.ts";
export { type CostedAccuracy, paretoFront } from "./metrics/pareto.ts";
export {
  type LabelledFeatures,
  linearProbe,
  type ProbeOptions,
  type ProbeResult,
} from "./metrics/linear_probe.ts";
export { robustness, type RobustnessRow, type ShiftedPredictions } from "./metrics/robustness.ts";

// Training and checkpoints
export { type DiTStepSettings, ditTrainingGraph, ditTrainingGraphs } from "./models/dit/step.ts";
export {
  type NaViTLoss,
  type NaViTStepSettings,
  navitTrainingGraphs,
} from "./models/navit/step.ts";
export { classificationLoss, type SlotTargets } from "./training/losses/classification.ts";
export { contrastiveLoss } from "./training/losses/contrastive.ts";
export {
  type Measured,
  type StepGraphs,
  stepInParts,
  type StepLosses,
  wholeStep,
} from "./training/step/step_graphs.ts";
export { type OptimizerSettings } from "./training/step/optimizer.ts";
export { constantRate, learningRateAt, type RateSchedule } from "./training/step/learning_rate.ts";
export {
  allocateState,
  initializeState,
  type ParameterBuffers,
  Trainer,
  type TrainingState,
} from "./training/step/trainer.ts";
export {
  readState,
  readWeights,
  verifyCheckpoint,
  type WeightChoice,
  weightsPath,
  writeCheckpoint,
} from "./training/runs/checkpoint.ts";
export {
  type CheckpointRecord,
  type Description,
  type Manifest,
  readManifest,
  type RunDescription,
  type RunProgress,
  type RunSchedule,
  type SampleSchedule,
} from "./training/runs/manifest.ts";
export type { CommonSettings } from "./training/runs/settings.ts";
export type { DiTRun, DiTSettings } from "./models/dit/settings.ts";
export type { NaViTRun, NaViTSettings } from "./models/navit/settings.ts";
export {
  type FileRecord,
  openSafetensors,
  type StoredType,
  teeSafetensors,
  type TensorData,
  type TensorInfo,
  type TensorLayout,
  type TensorReader,
  type TensorToWrite,
  type WritableType,
  writeSafetensors,
} from "./formats/tensors/safetensors.ts";
export { InputError } from "./base/errors.ts";
