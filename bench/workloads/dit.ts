/**
 * DiTs as work to be timed.
 *
 * @module
 */
import type { Device, Executable } from "../../kernels/device.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { gradients } from "../../kernels/graph/gradients.ts";
import { type Graph, makeGraph } from "../../kernels/graph/graph.ts";
import { square, subtract } from "../../kernels/ops/elementwise/op.ts";
import { adamw } from "../../kernels/ops/optimizer/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import { adamwSchedule } from "../../kernels/ops/optimizer/step.ts";
import { constantTensor, input, state } from "../../kernels/tensor.ts";
import { seedWords } from "../../diffusion/streams.ts";
import { type DiTConfig, ditParameters } from "../../models/dit/model.ts";
import { forwardGraph, traceDiT } from "../../models/dit/graph.ts";
import type { WeightType } from "../../nn/parameters.ts";
import { ditTrainingGraphs } from "../../models/dit/step.ts";
import { scheduleAtStep, stateNames } from "../../training/step/optimizer.ts";
import type { ModelOperation } from "./model.ts";
import {
  createParameters,
  type Job,
  loadTrainer,
  macsOf,
  optimizer,
  type ParameterBuffers,
  ripple,
} from "./workload.ts";

/**
 * Loads an operation of a DiT, with parameters of its own.
 *
 * @param weights how they are stored; training steps have them in `f32` only
 */
export async function loadDiTJob(
  device: Device,
  operation: ModelOperation,
  config: DiTConfig,
  batch: number,
  weights: WeightType = "f32",
): Promise<Job> {
  if (operation === "train") return await loadTrainingStep(device, config, batch);
  const parameters = createParameters(device, ditParameters(config), weights);
  return operation === "forward"
    ? await loadForward(device, config, batch, parameters, weights)
    : await loadPlainStep(device, config, batch, parameters);
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
  const settings = { batchSize: batch, labelDropout: 0.1, clipNorm: optimizer.clipNorm };
  const graphs = ditTrainingGraphs(config, settings);
  const trainer = await loadTrainer(device, ditParameters(config), graphs);
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

function writeModelInputs(executable: Executable, config: DiTConfig, batch: number): void {
  const x = executable.buffer("x");
  x.write(ripple(x.elements, 1));
  executable.buffer("t").write(Int32Array.from({ length: batch }, (_, i) => 37 * i % 1000));
  executable.buffer("y").write(Int32Array.from({ length: batch }, (_, i) => i % config.classes));
}
