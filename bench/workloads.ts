/**
 * What benchmarks time: a workload is a graph with everything it needs on a device, ready to be run
 * again and again.
 *
 * @module
 */
import { InputError } from "../formats/errors.ts";
import type { Device, DeviceBuffer, Executable } from "../kernels/device.ts";
import { compile } from "../kernels/graph/compile.ts";
import { gradients } from "../kernels/graph/gradients.ts";
import { type Graph, graphCost, makeGraph } from "../kernels/graph/graph.ts";
import { attention } from "../kernels/ops/attention/op.ts";
import { multiply, square, subtract } from "../kernels/ops/elementwise/op.ts";
import { matmul } from "../kernels/ops/matmul/op.ts";
import { adamw } from "../kernels/ops/optimizer/op.ts";
import { mean, reduceSum } from "../kernels/ops/reduce/op.ts";
import { adamwSchedule } from "../kernels/program.ts";
import { elementCount } from "../kernels/shape.ts";
import { constantTensor, input, state } from "../kernels/tensor.ts";
import { seedWords } from "../diffusion/streams.ts";
import { type DiTConfig, ditParameters } from "../models/dit.ts";
import { forwardGraph, traceDiT } from "../models/dit_graph.ts";
import { type ParameterSpecification, storedType, type WeightType } from "../models/parameters.ts";
import { ditTrainingGraphs } from "../training/dit_step.ts";
import { initializeParameters } from "../training/initialize.ts";
import { type OptimizerSettings, scheduleAtStep, stateNames } from "../training/optimizer.ts";
import { allocateState, copyAverages, Trainer } from "../training/trainer.ts";

/** Work on a device that can be repeated. */
export interface Job {
  /** Starts one execution; on WebGPU it is only queued. */
  run(): void;
  /** Multiply-adds of one execution. */
  readonly macs: number;
}

/** Parameters of a model on a device, by name. */
export type ParameterBuffers = ReadonlyMap<string, DeviceBuffer>;

/** What a DiT can be timed at. */
export const ditOperations = ["forward", "train", "train-plain"] as const;

/** One of the timed operations. */
export type DiTOperation = typeof ditOperations[number];

/** Settings of the training step; rates so small that the weights stay what they are. */
const optimizer: OptimizerSettings = {
  learningRate: 1e-6,
  weightDecay: 0,
  clipNorm: 1,
  averageDecay: 0.9999,
};

/**
 * Loads an operation of a DiT, with parameters of its own.
 *
 * @param weights how they are stored
 * @throws InputError for a training step with other weights than `f32`
 */
export async function loadDiTJob(
  device: Device,
  operation: DiTOperation,
  config: DiTConfig,
  batch: number,
  weights: WeightType = "f32",
): Promise<Job> {
  if (operation !== "forward" && weights !== "f32") {
    throw new InputError(`${operation} with weights in ${weights}: training is in f32 only`);
  }
  if (operation === "train") return await loadTrainingStep(device, config, batch);
  const parameters = createParameters(device, config, weights);
  return operation === "forward"
    ? await loadForward(device, config, batch, parameters, weights)
    : await loadPlainStep(device, config, batch, parameters);
}

/** Allocates the parameters of a DiT and fills them with small numbers, the gates too. */
export function createParameters(
  device: Device,
  config: DiTConfig,
  weights: WeightType = "f32",
): ParameterBuffers {
  return new Map(
    ditParameters(config).map((specification, index) => {
      const { name, shape } = specification;
      const dtype = storedType(specification, weights);
      const buffer = device.createBuffer(name, dtype, elementCount(shape));
      buffer.write(ripple(buffer.elements, index + 1, 0.05));
      return [name, buffer];
    }),
  );
}

/** Starts at random what the paper starts at zero: gates that are zero let no gradient into the
 * blocks. */
function openGates(specifications: readonly ParameterSpecification[]): ParameterSpecification[] {
  return specifications.map((specification) =>
    specification.initial.kind === "zeros"
      ? { ...specification, initial: { kind: "normal", deviation: 0.02 } }
      : specification
  );
}

/** A forward pass. */
export async function loadForward(
  device: Device,
  config: DiTConfig,
  batch: number,
  parameters: ParameterBuffers,
  weights: WeightType = "f32",
): Promise<Job> {
  const graph = forwardGraph(config, batch, weights);
  const executable = await device.load(compile(graph), parameters);
  writeModelInputs(executable, config, batch);
  return { run: () => executable.run(), macs: macsOf(graph) };
}

/**
 * The bare training step that frameworks are compared by: mean squared error over all output
 * channels against a fixed target, gradients, AdamW.
 */
export async function loadPlainStep(
  device: Device,
  config: DiTConfig,
  batch: number,
  parameters: ParameterBuffers,
): Promise<Job> {
  const graph = plainStepGraph(config, batch);
  const executable = await device.load(compile(graph), parameters);
  writeModelInputs(executable, config, batch);
  const target = executable.buffer("target");
  target.write(ripple(target.elements, 3));
  const schedule = executable.buffer("schedule");
  let step = 0;
  const run = () => {
    schedule.write(scheduleAtStep(++step, optimizer));
    executable.run();
  };
  return { run, macs: macsOf(graph) };
}

function plainStepGraph(config: DiTConfig, batch: number): Graph {
  const { out, parameters } = traceDiT(config, batch);
  const loss = mean(square(subtract(out, input("target", out.shape))));
  const trained = ditParameters(config).filter(({ trainable }) => trainable)
    .map(({ name }) => ({ name, parameter: parameters.get(name)! }));
  const gradientsOfLoss = gradients(loss, trained.map(({ parameter }) => parameter));
  const schedule = input("schedule", [adamwSchedule.length]);
  const gradientScale = constantTensor(Float32Array.of(1), []);
  const effects = trained.map(({ name, parameter }, index) =>
    adamw({
      parameter,
      gradient: gradientsOfLoss[index],
      firstMoment: state(stateNames.firstMoment(name), parameter.shape),
      secondMoment: state(stateNames.secondMoment(name), parameter.shape),
      schedule,
      gradientScale,
    })
  );
  return makeGraph("plain training step", { outputs: { loss }, effects });
}

/** The training step of `tessera train dit`: noise, hybrid loss, clipping, AdamW, average. */
async function loadTrainingStep(device: Device, config: DiTConfig, batch: number): Promise<Job> {
  const specifications = openGates(ditParameters(config));
  const training = allocateState(device, specifications);
  await initializeParameters(device, specifications, training.parameters, 1);
  await copyAverages(training);
  const settings = { batchSize: batch, labelDropout: 0.1, clipNorm: optimizer.clipNorm };
  const graphs = ditTrainingGraphs(config, settings);
  const trainer = await Trainer.create(device, graphs, training, optimizer, 0);
  trainer.writeInput("seed", seedWords(1));
  const { channels, inputSize, classes } = config;
  const images = ripple(batch * channels * inputSize ** 2, 1);
  const labels = Int32Array.from({ length: batch }, (_, index) => index % classes);
  let seen = 0;
  const run = () => {
    const samples = Int32Array.from({ length: batch }, () => seen++);
    trainer.runStep({ images, labels, samples });
  };
  return { run, macs: macsOf(graphs.update) };
}

/** A matrix product (m, k) times (k, n). */
export async function loadProduct(
  device: Device,
  m: number,
  n: number,
  k: number,
): Promise<Job> {
  const c = matmul(input("a", [m, k]), input("b", [k, n]));
  const graph = makeGraph("product", { outputs: { c } });
  const executable = await device.load(compile(graph));
  executable.buffer("a").write(ripple(m * k, 1));
  executable.buffer("b").write(ripple(k * n, 2));
  return { run: () => executable.run(), macs: macsOf(graph) };
}

/** What attention can be timed at: `gradient` includes the forward pass that it needs. */
export type AttentionOperation = "forward" | "gradient";

/** One packed sequence. */
export interface AttentionSize {
  /** Length of the sequence. */
  readonly tokens: number;
  /** Images it is divided into, as evenly as possible; at most `tokens`. */
  readonly images: number;
  /** Heads of the attention. */
  readonly heads: number;
  /** Width of a head. */
  readonly width: number;
}

/** Self-attention in a sequence of images; its MACs are those of the pairs that see each other. */
export async function loadAttention(
  device: Device,
  operation: AttentionOperation,
  size: AttentionSize,
): Promise<Job> {
  const graph = attentionGraph(operation, size);
  const executable = await device.load(compile(graph));
  const names = ["query", "key", "value", ...(operation === "gradient" ? ["cotangent"] : [])];
  for (const [index, name] of names.entries()) {
    const buffer = executable.buffer(name);
    buffer.write(ripple(buffer.elements, index + 1));
  }
  const { tokens, images } = size;
  const ids = Int32Array.from({ length: tokens }, (_, t) => Math.floor(t * images / tokens));
  if (images > 1) executable.buffer("segments").write(ids);
  const lengths = new Array<number>(images).fill(0);
  for (const id of ids) lengths[id]++;
  const visiblePairs = lengths.reduce((pairs, length) => pairs + length ** 2, 0);
  return { run: () => executable.run(), macs: macsOf(graph) * visiblePairs / tokens ** 2 };
}

function attentionGraph(
  operation: AttentionOperation,
  { tokens, images, heads, width }: AttentionSize,
): Graph {
  const shape = [1, tokens, heads, width];
  const operands = ["query", "key", "value"].map((name) => input(name, shape));
  const ids = input("segments", [1, tokens], "i32");
  const [query, key, value] = operands;
  const segments = images > 1 ? { query: ids, key: ids } : undefined;
  const output = attention(query, key, value, { segments });
  if (operation === "forward") return makeGraph("attention", { outputs: { output } });
  const product = reduceSum(multiply(output, input("cotangent", shape)));
  const [dQuery, dKey, dValue] = gradients(product, operands);
  return makeGraph("attention gradient", { outputs: { output, dQuery, dKey, dValue } });
}

const macsOf = (graph: Graph): number => graphCost(graph).multiplyAdds;

function writeModelInputs(executable: Executable, config: DiTConfig, batch: number): void {
  const x = executable.buffer("x");
  x.write(ripple(x.elements, 1));
  executable.buffer("t").write(Int32Array.from({ length: batch }, (_, i) => 37 * i % 1000));
  executable.buffer("y").write(Int32Array.from({ length: batch }, (_, i) => i % config.classes));
}

/**
 * Numbers in [-amplitude, amplitude] without a visible pattern, which repeat after 65,536;
 * `frequency` makes them different.
 */
function ripple(length: number, frequency: number, amplitude = 1): Float32Array {
  const period = Float32Array.from(
    { length: Math.min(length, 65536) },
    (_, index) => amplitude * Math.sin(frequency * index ** 2),
  );
  const result = new Float32Array(length);
  for (let start = 0; start < length; start += period.length) {
    result.set(period.subarray(0, length - start), start);
  }
  return result;
}
