/**
 * What benchmarks time: a workload is a graph with everything it needs on a device, ready to be run
 * again and again. What all of them share is here, with the matrix product; attention and the models
 * are in files of their own.
 *
 * @module
 */
import { ripple } from "../../base/ripple.ts";
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { type Graph, graphCost, makeGraph } from "../../kernels/graph/graph.ts";
import { matmul } from "../../kernels/ops/matmul/op.ts";
import { elementCount } from "../../kernels/shape.ts";
import { input } from "../../kernels/tensor.ts";
import { type ParameterSpecification, storedType, type WeightType } from "../../nn/parameters.ts";
import { initializeParameters } from "../../training/step/initialize.ts";
import type { OptimizerSettings } from "../../training/step/optimizer.ts";
import type { StepGraphs } from "../../training/step/step_graphs.ts";
import { allocateState, copyAverages, Trainer } from "../../training/step/trainer.ts";

/** Work on a device that can be repeated. */
export interface Job {
  /** Starts one execution; on WebGPU it is only queued. */
  run(): void;
  /** Multiply-adds of one execution. */
  readonly macs: number;
  /** Executions after which the work repeats; 1 when absent. */
  readonly period?: number;
}

/** Parameters of a model on a device, by name. */
export type ParameterBuffers = ReadonlyMap<string, DeviceBuffer>;

/** Settings of training steps; rates so small that the weights stay what they are. */
export const optimizer: OptimizerSettings = {
  learningRate: 1e-6,
  weightDecay: 0,
  clipNorm: 1,
  averageDecay: 0.9999,
};

/** Allocates the parameters of a model and fills them with small numbers, the gates too. */
export function createParameters(
  device: Device,
  specifications: readonly ParameterSpecification[],
  weights: WeightType = "f32",
): ParameterBuffers {
  return new Map(
    specifications.map((specification, index) => {
      const { name, shape } = specification;
      const dtype = storedType(specification, weights);
      const buffer = device.createBuffer(name, dtype, elementCount(shape));
      buffer.write(ripple(buffer.elements, index + 1, 0.05));
      return [name, buffer];
    }),
  );
}

/** The training step of a model, with parameters of its own. */
export async function loadTrainer(
  device: Device,
  specifications: readonly ParameterSpecification[],
  graphs: StepGraphs,
): Promise<Trainer> {
  const opened = openGates(specifications);
  const training = allocateState(device, opened);
  await initializeParameters(device, opened, training.parameters, 1);
  await copyAverages(training);
  return await Trainer.create(device, graphs, training, optimizer, 0);
}

/** Starts at random what papers start at zero: gates that are zero let no gradient into the blocks. */
function openGates(specifications: readonly ParameterSpecification[]): ParameterSpecification[] {
  return specifications.map((specification) =>
    specification.initial.kind === "zeros"
      ? { ...specification, initial: { kind: "normal", deviation: 0.02 } }
      : specification
  );
}

/** Multiply-adds of a graph. */
export const macsOf = (graph: Graph): number => graphCost(graph).multiplyAdds;

/** A matrix product (m, k) times (k, n), of activations as the device keeps them. */
export async function loadProduct(
  device: Device,
  m: number,
  n: number,
  k: number,
): Promise<Job> {
  const c = matmul(
    input("a", [m, k], device.activations),
    input("b", [k, n], device.activations),
  );
  const graph = makeGraph("product", { outputs: { c } });
  const executable = await device.load(compile(graph, device));
  executable.buffer("a").write(ripple(m * k, 1));
  executable.buffer("b").write(ripple(k * n, 2));
  return { run: () => executable.run(), macs: macsOf(graph) };
}
