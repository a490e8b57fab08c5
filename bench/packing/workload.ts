/**
 * NaViTs as work to be timed, on batches of pictures that lie ready in memory.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { Device } from "../../kernels/device.ts";
import type { HostArray } from "../../kernels/shape.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { graphInputs } from "../../kernels/graph/graph.ts";
import { type NaViTConfig, navitParameters } from "../../models/navit/model.ts";
import { navitForwardGraph, type PackShape } from "../../models/navit/graph.ts";
import type { WeightType } from "../../nn/parameters.ts";
import { navitTrainingGraphs } from "../../models/navit/step.ts";
import {
  createParameters,
  type Job,
  loadTrainer,
  macsOf,
  optimizer,
} from "../workloads/workload.ts";

/** Batches of one shape. */
export interface ReadyBatches {
  /** Their sizes. */
  readonly shape: PackShape;
  /** Arrays by the names of the model's inputs; others are left alone. At least one batch. */
  readonly batches: readonly Readonly<Record<string, HostArray>>[];
}

/**
 * Loads an operation of a NaViT, with parameters of its own. Each run takes the next batch, the first
 * one after the last; where there are several, copying them to the device is part of the run.
 *
 * @throws InputError for the training step of a contrastive model, whose captions are missing
 */
export async function loadNaViTJob(
  device: Device,
  operation: "forward" | "train",
  config: NaViTConfig,
  { shape, batches }: ReadyBatches,
  weights: WeightType = "f32",
): Promise<Job> {
  const load = operation === "forward" ? loadForward : loadTrainingStep;
  const { inputs, run, macs } = await load(device, config, shape, weights);
  const ready = batches.map((batch) =>
    Object.fromEntries(Object.entries(batch).filter(([name]) => inputs.has(name)))
  );
  let runs = 0;
  return { run: () => run(ready[runs++ % ready.length]), macs, period: batches.length };
}

/** A program that runs on batches. */
interface LoadedModel {
  /** Names of the arrays that it reads. */
  readonly inputs: ReadonlySet<string>;
  readonly macs: number;
  run(batch: Readonly<Record<string, HostArray>>): void;
}

async function loadForward(
  device: Device,
  config: NaViTConfig,
  shape: PackShape,
  weights: WeightType,
): Promise<LoadedModel> {
  const graph = navitForwardGraph(config, shape, config.text ? "vectors" : "logits", weights);
  const parameters = createParameters(device, navitParameters(config), weights);
  const executable = await device.load(compile(graph, device), parameters);
  let current: object | undefined;
  const run: LoadedModel["run"] = (batch) => {
    if (batch !== current) {
      for (const [name, data] of Object.entries(batch)) executable.buffer(name).write(data);
      current = batch;
    }
    executable.run();
  };
  return { inputs: graphInputs(graph), run, macs: macsOf(graph) };
}

async function loadTrainingStep(
  device: Device,
  config: NaViTConfig,
  shape: PackShape,
): Promise<LoadedModel> {
  if (config.text) {
    throw new InputError("train: pictures without captions cannot train a contrastive model");
  }
  const settings = { ...shape, loss: "softmax", clipNorm: optimizer.clipNorm } as const;
  const graphs = navitTrainingGraphs(config, settings);
  const trainer = await loadTrainer(device, navitParameters(config), graphs);
  return {
    inputs: graphInputs(graphs.update),
    run: (batch) => trainer.runStep(batch),
    macs: macsOf(graphs.update),
  };
}
