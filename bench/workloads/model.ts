/**
 * Models of any family as work to be timed.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { ripple } from "../../base/ripple.ts";
import type { Device, Executable } from "../../kernels/device.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { gradients } from "../../kernels/graph/gradients.ts";
import { type Graph, graphInputs, makeGraph } from "../../kernels/graph/graph.ts";
import { square, subtract } from "../../kernels/ops/elementwise/op.ts";
import { adamw } from "../../kernels/ops/optimizer/op.ts";
import { adamwSchedule } from "../../kernels/ops/optimizer/step.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import type { HostArray } from "../../kernels/shape.ts";
import { constantTensor, input, state } from "../../kernels/tensor.ts";
import type { TrainingWorkload, Workload } from "../../models/family.ts";
import { familyOf } from "../../models/registry.ts";
import type { WeightType } from "../../nn/parameters.ts";
import { scheduleAtStep, stateNames } from "../../training/step/optimizer.ts";
import type { ModelOperation, Subject } from "../subjects.ts";
import {
  createParameters,
  type Job,
  loadTrainer,
  macsOf,
  optimizer,
  type ParameterBuffers,
} from "./workload.ts";

/**
 * Loads an operation of a model, with parameters of its own.
 *
 * @param batch samples an execution
 * @param weights how they are stored
 * @throws InputError for a training step with other weights than `f32`, and where a family has none
 */
export async function loadModelJob(
  device: Device,
  operation: ModelOperation,
  subject: Subject,
  batch: number,
  weights: WeightType = "f32",
): Promise<Job> {
  if (operation !== "forward" && weights !== "f32") {
    throw new InputError(`${operation} with weights in ${weights}: training is in f32 only`);
  }
  if (operation === "train") return await loadTrainingStep(device, subject, batch);
  const workload = workloadOf(subject, batch, weights);
  const parameters = createParameters(device, workload.specifications, weights);
  const load = operation === "forward" ? loadForward : loadPlainStep;
  return await load(device, workload, parameters);
}

/** A forward pass of a model on made-up samples. */
export function workloadOf(
  { config, tokens, clip }: Subject,
  batch: number,
  weights?: WeightType,
): Workload {
  return familyOf(config).workload(config, { batch, tokens, clip, weights });
}

/**
 * The training step of a model on made-up samples.
 *
 * @throws InputError where a family has none
 */
export function trainingWorkloadOf(
  { name, config, tokens, clip }: Subject,
  batch: number,
): TrainingWorkload {
  const family = familyOf(config);
  const workload = family.trainingWorkload?.(config, { batch, tokens, clip });
  if (workload) return workload;
  throw new InputError(`train: ${name} is a ${family.title}, which is not trained by this tool`);
}

/** A forward pass with given parameters. */
export async function loadForward(
  device: Device,
  { traced, inputs }: Workload,
  parameters: ParameterBuffers,
): Promise<Job> {
  const graph = makeGraph("forward", { outputs: { out: traced.out } });
  const executable = await device.load(compile(graph, device), parameters);
  writeInputs(executable, graph, inputs);
  return { run: () => executable.run(), macs: macsOf(graph) };
}

/**
 * The bare training step that frameworks are compared by, with given parameters: mean squared error
 * over the whole output against a fixed target, gradients, AdamW.
 */
export async function loadPlainStep(
  device: Device,
  workload: Workload,
  parameters: ParameterBuffers,
): Promise<Job> {
  const graph = plainStepGraph(workload);
  const executable = await device.load(compile(graph, device), parameters);
  writeInputs(executable, graph, workload.inputs);
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

/** Writes the inputs that a graph reads: not every model of a family reads all. */
function writeInputs(
  executable: Executable,
  graph: Graph,
  inputs: Readonly<Record<string, HostArray>>,
): void {
  const reads = graphInputs(graph);
  for (const [name, data] of Object.entries(inputs)) {
    if (reads.has(name)) executable.buffer(name).write(data);
  }
}

function plainStepGraph({ specifications, traced: { out, parameters } }: Workload): Graph {
  const loss = mean(square(subtract(out, input("target", out.shape))));
  const trained = specifications.filter(({ trainable }) => trainable)
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

/** The training step of `tessera train`. */
async function loadTrainingStep(
  device: Device,
  subject: Subject,
  batch: number,
): Promise<Job> {
  const { specifications, graphs, constants, inputs } = trainingWorkloadOf(subject, batch);
  const trainer = await loadTrainer(device, specifications, graphs);
  for (const [name, data] of Object.entries(constants)) trainer.writeInput(name, data);
  return { run: () => trainer.runStep(inputs(trainer.step)), macs: macsOf(graphs.update) };
}
