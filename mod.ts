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
  type Cost,
  input,
  type Node,
  state,
  type Tensor,
  type ValueType,
} from "./kernels/tensor.ts";
export type { DType, Shape } from "./kernels/shape.ts";
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
export { attention, type Segments } from "./kernels/ops/attention/op.ts";
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
export type { Device, DeviceBuffer, Executable, HostArray } from "./kernels/device.ts";
export {
  type ChosenDevice,
  type DeviceRequest,
  NoAdapterError,
  selectDevice,
} from "./kernels/select_device.ts";

// Models
export { dit, type DiTConfig, ditConfigs, ditParameters } from "./models/dit.ts";
export {
  countParameters,
  type Initializer,
  lookup,
  type Parameters,
  type ParameterSpecification,
  parameterStates,
} from "./models/parameters.ts";

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

// Training and checkpoints
export { type DiTStepSettings, ditTrainingGraph, ditTrainingGraphs } from "./training/dit_step.ts";
export {
  type StepGraphs,
  stepInParts,
  type StepLosses,
  wholeStep,
} from "./training/step_graphs.ts";
export { type OptimizerSettings } from "./training/optimizer.ts";
export { constantRate, learningRateAt, type RateSchedule } from "./training/learning_rate.ts";
export {
  allocateState,
  initializeState,
  type ParameterBuffers,
  Trainer,
  type TrainingState,
} from "./training/trainer.ts";
export {
  type Manifest,
  readManifest,
  readState,
  readWeights,
  type RunDescription,
  type RunSchedule,
  type RunSettings,
  type SampleSchedule,
  type WeightChoice,
  weightsPath,
  writeCheckpoint,
} from "./training/checkpoint.ts";
export {
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
} from "./formats/safetensors.ts";
export { InputError } from "./formats/errors.ts";
