/**
 * Tensors, operations, gradients, compilation and devices. This part knows no model.
 *
 * An operation called on symbolic tensors makes a node of a graph. A graph of named outputs and of
 * updates of state is compiled into a program, a list of steps with a memory plan, which a device
 * loads once and replays.
 *
 * @example A function and its derivative, on the CPU
 * ```ts
 * import { compile, gradients, input, makeGraph, reduceSum, selectDevice, sine } from "./mod.ts";
 *
 * const x = input("x", [3]);
 * const y = reduceSum(sine(x), [0]);
 * const [slope] = gradients(y, [x]);
 *
 * const { device } = await selectDevice({ device: "wasm", threads: 1 });
 * const program = await device.load(compile(makeGraph("sine", { outputs: { y, slope } })));
 * program.buffer("x").write(Float32Array.of(0, 1, 2));
 * program.run();
 * const cosines = await program.buffer("slope").read();
 * device.close();
 * if (Math.abs(cosines[1] - Math.cos(1)) > 1e-6) throw new Error(`${cosines}`);
 * ```
 *
 * @module
 */
// Tensors and graphs
export {
  type ActivationStorage,
  type Arithmetic,
  constantTensor,
  type ElementWork,
  input,
  type Node,
  state,
  type Tensor,
  type ValueType,
} from "./tensor.ts";
export type { ArithmeticType, DType, FloatType, HostArray, Shape, StoredArray } from "./shape.ts";
export { type Graph, graphCost, type GraphParts, makeGraph, type Update } from "./graph/graph.ts";
export { filled, gradients } from "./graph/gradients.ts";
export { compile, type ProgramTarget } from "./graph/compile.ts";
export type * from "./program.ts";
export type { View } from "./view.ts";
export type * from "./ops/attention/step.ts";
export type * from "./ops/convolution/step.ts";
export type * from "./ops/elementwise/step.ts";
export type * from "./ops/embedding/step.ts";
export type * from "./ops/layer_norm/step.ts";
export type * from "./ops/matmul/step.ts";
export type * from "./ops/optimizer/step.ts";
export type * from "./ops/random/step.ts";
export type * from "./ops/reduce/step.ts";
export type * from "./ops/widen/step.ts";
export { type BinaryOp, type Expression, type ScalarType, type UnaryOp } from "./expression.ts";

// Operations
export {
  add,
  cosine,
  divide,
  exponential,
  geluTanh,
  leakyRelu,
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
  softplus,
  square,
  squareRoot,
  subtract,
  tanh,
  toFloat,
  where,
} from "./ops/elementwise/op.ts";
export { mean, reduceMaximum, reduceSum } from "./ops/reduce/op.ts";
export { linear, matmul } from "./ops/matmul/op.ts";
export { convolution, type ConvolutionOptions } from "./ops/convolution/op.ts";
export { groupNorm, type GroupNormOptions } from "./ops/group_norm/op.ts";
export { averagePool, maximumPool, type PoolingOptions } from "./ops/pooling/op.ts";
export {
  blurPool,
  depthToSpace,
  downsampleNearest,
  spaceToDepth,
  upsampleNearest,
} from "./ops/resample/op.ts";
export { attention, type Segments } from "./ops/attention/op.ts";
export { scoreLogSumExp } from "./ops/attention/score_log_sum_exp.ts";
export { affineLayerNorm, layerNorm } from "./ops/layer_norm/op.ts";
export { gather } from "./ops/embedding/op.ts";
export { randomNormal, type RandomSource, randomUniform } from "./ops/random/op.ts";
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
} from "./ops/movement/op.ts";
export { adamw, type AdamWOperands } from "./ops/optimizer/op.ts";

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
} from "./device.ts";
export type { KindTime, Profile, ProfiledRun, ProfiledSpan, Profiler, Stretch } from "./profile.ts";
export { timeByKind } from "./profile.ts";
export type { Cost } from "./cost.ts";
export type { DeviceName } from "./devices.ts";
export { type ChosenDevice, type DeviceRequest, selectDevice } from "./select_device.ts";
export { NoAdapterError } from "./webgpu/adapter.ts";
