/**
 * One training step of a DiT as a graph: noise, network, loss, gradients, optimizer.
 *
 * @module
 */
import { binary, constant, select, unary } from "../kernels/expression.ts";
import { type Graph, makeGraph } from "../kernels/graph/graph.ts";
import { gradients } from "../kernels/graph/gradients.ts";
import { map } from "../kernels/ops/elementwise/op.ts";
import { reshape } from "../kernels/ops/movement/op.ts";
import { randomNormal, randomUniform } from "../kernels/ops/random/op.ts";
import { mean } from "../kernels/ops/reduce/op.ts";
import { constantTensor, input, state, type Tensor } from "../kernels/tensor.ts";
import { addNoise, hybridLoss, scheduleAt } from "../diffusion/objective.ts";
import { linearSchedule, trainingSteps } from "../diffusion/schedule.ts";
import { dit, type DiTConfig, ditParameters } from "../models/dit.ts";
import { lookup, parameterStates } from "../models/parameters.ts";
import { accumulate, optimizerGraph, unlessSkipped } from "./optimizer.ts";
import { streams } from "../diffusion/streams.ts";

/** Settings that shape the graph. */
export interface DiTStepSettings {
  /** Pictures a step. */
  readonly batchSize: number;
  /** Probability that a label is replaced by "no class". */
  readonly labelDropout: number;
  /** Largest gradient norm; 0 means no limit. */
  readonly clipNorm: number;
}

/** Positions in the state `sums`, which the host reads when it logs; it clears all but the last. */
export const sumColumns = [
  "loss",
  "meanSquaredError",
  "variationalBound",
  "gradientNorm",
  "skipped",
  "skippedInARow",
] as const;

/** Where the randomness of a step comes from; tests put given numbers in its place. */
export interface StepNoise {
  /** i32 (N), each 0 .. 999 */
  readonly t: Tensor;
  /** (N, C, H, W) */
  readonly noise: Tensor;
  /** i32 (N), with dropout applied */
  readonly labels: Tensor;
}

/**
 * The graph of a step.
 *
 * Inputs: `images` (N, C, I, I) in [-1, 1], `labels` i32 (N), `samples` i32 (N: the number of each
 * picture in the endless stream of training pictures, which all randomness is drawn from),
 * `seed` i32 (2), `schedule` (8). States: the parameters, their moments and averages, `sums` (6).
 */
export function ditTrainingGraph(config: DiTConfig, settings: DiTStepSettings): Graph {
  const { batchSize } = settings;
  const side = config.inputSize;
  const images = input("images", [batchSize, config.channels, side, side]);
  const labels = input("labels", [batchSize], "i32");
  return ditStepGraph(config, settings, images, drawNoise(config, settings, images, labels));
}

/** The graph of a step with given randomness. */
export function ditStepGraph(
  config: DiTConfig,
  settings: Pick<DiTStepSettings, "clipNorm">,
  images: Tensor,
  { t, noise, labels }: StepNoise,
): Graph {
  const specifications = ditParameters(config);
  const states = parameterStates(specifications);
  const at = scheduleAt(linearSchedule(), t);
  const noised = addNoise(images, noise, at);
  const prediction = dit(config, lookup(states), noised, t, labels);
  const losses = hybridLoss({ clean: images, noised, noise, t, prediction, at });
  const loss = mean(losses.total);

  const trained = specifications.filter(({ trainable }) => trainable);
  const parameters = new Map(trained.map(({ name }) => [name, states.get(name)!]));
  const optimizer = optimizerGraph(
    parameters,
    gradients(loss, [...parameters.values()]),
    settings.clipNorm,
  );
  const sums = state("sums", [sumColumns.length]);
  const zero = constantTensor(Float32Array.of(0), []);
  const measured = [
    loss,
    mean(losses.meanSquaredError),
    losses.variationalBound ? mean(losses.variationalBound) : zero,
    optimizer.gradientNorm,
  ].map((value) => unlessSkipped(value, optimizer.skipped));
  const accumulated = accumulate(sums, [...measured, optimizer.skipped], optimizer.skipped);
  return makeGraph("training step", {
    updates: [{ state: sums, value: accumulated }],
    effects: optimizer.effects,
  });
}

/** Draws time steps, noise and label dropout from the numbers of the samples. */
function drawNoise(
  config: DiTConfig,
  { batchSize, labelDropout }: DiTStepSettings,
  images: Tensor,
  labels: Tensor,
): StepNoise {
  const source = {
    seed: input("seed", [2], "i32"),
    rows: input("samples", [batchSize], "i32"),
    draw: constantTensor(Int32Array.of(0), []),
  };
  const uniform = (stream: number): Tensor =>
    reshape(randomUniform({ ...source, stream }, [batchSize, 1]), [batchSize]);
  const t = map(
    (u) => unary("toInt", binary("multiply", u, constant(trainingSteps))),
    uniform(streams.timestep),
  );
  const dropped = map(
    (u, label) =>
      select(binary("less", u, constant(labelDropout)), constant(config.classes, "i32"), label),
    uniform(streams.labelDropout),
    labels,
  );
  return {
    t,
    noise: randomNormal({ ...source, stream: streams.noise }, images.shape),
    labels: dropped,
  };
}
