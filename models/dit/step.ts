/**
 * What a DiT is trained on: noise, network and losses of a batch. `step_graphs.ts` makes a step of it.
 *
 * @module
 */
import { binary, constant, type Expression, select, unary } from "../../kernels/expression.ts";
import type { Graph } from "../../kernels/graph/graph.ts";
import { map } from "../../kernels/ops/elementwise/op.ts";
import { reshape } from "../../kernels/ops/movement/op.ts";
import { randomNormal, type RandomSource, randomUniform } from "../../kernels/ops/random/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import { constantTensor, input, type Tensor } from "../../kernels/tensor.ts";
import type { LatentSettings } from "../../data/latents/cache.ts";
import { trainingLatents } from "../../diffusion/latents.ts";
import { flowAt, flowLoss } from "../../diffusion/flow.ts";
import {
  addNoise,
  hybridLoss,
  type LossWeight,
  type Objective,
  type SampleLosses,
  scheduleAt,
} from "../../diffusion/objective.ts";
import { linearSchedule, trainingSteps } from "../../diffusion/schedule.ts";
import { dit, type DiTConfig, ditParameters } from "./model.ts";
import { lookup, parameterStates } from "../../nn/parameters.ts";
import { streams } from "../../diffusion/streams.ts";
import {
  type StepGraphs,
  type StepLosses,
  stepOf,
  type StepSettings,
  wholeStep,
} from "../../training/step/step_graphs.ts";

/** Settings that shape the graph. */
export interface DiTStepSettings extends StepSettings {
  /** Pictures a step. */
  readonly batchSize: number;
  /** Probability that a label is replaced by "no class". */
  readonly labelDropout: number;
  /** What pictures are, where they are latents of a cache: `images` then holds what is stored of them. */
  readonly latents?: LatentSettings;
  /** What the network is trained to predict; the noise when absent. */
  readonly objective?: Objective;
  /** How errors at different noise levels count; alike when absent. */
  readonly lossWeight?: LossWeight;
}

/** Where the randomness of a step comes from; tests put given numbers in its place. */
export interface StepNoise {
  /** i32 (N), each 0 .. 999; of a flow f32 (N), each from 0 to 1 */
  readonly t: Tensor;
  /** (N, C, H, W) */
  readonly noise: Tensor;
  /** i32 (N), with dropout applied */
  readonly labels: Tensor;
}

/**
 * The graph of a whole step.
 *
 * Inputs: `images` (N, C, I, I) in [-1, 1], `labels` i32 (N), `samples` i32 (N: the number of each
 * picture in the endless stream of training pictures, which all randomness is drawn from),
 * `seed` i32 (2), `schedule` (8). States: the parameters, their moments and averages, `sums` (6).
 */
export function ditTrainingGraph(
  config: DiTConfig,
  settings: Omit<DiTStepSettings, "accumulate">,
): Graph {
  return wholeStep(trainingLosses(config, settings), settings).update;
}

/** The graphs of a step, whole or in parts. The inputs of a part are those of its pictures. */
export function ditTrainingGraphs(config: DiTConfig, settings: DiTStepSettings): StepGraphs {
  return stepOf(
    settings.batchSize,
    settings,
    (batchSize) => trainingLosses(config, { ...settings, batchSize }),
  );
}

function trainingLosses(config: DiTConfig, settings: DiTStepSettings): StepLosses {
  const { batchSize, latents } = settings;
  const { inputSize: side, channels } = config;
  const stored = latents?.posterior ? 2 * channels : channels;
  const images = input("images", [batchSize, stored, side, side]);
  const labels = input("labels", [batchSize], "i32");
  const source = {
    seed: input("seed", [2], "i32"),
    rows: input("samples", [batchSize], "i32"),
    draw: constantTensor(Int32Array.of(0), []),
  };
  const clean = latents ? trainingLatents(images, latents, source) : images;
  return ditLosses(config, clean, drawNoise(config, settings, source, clean, labels), settings);
}

/** The losses of a batch with given randomness. */
export function ditLosses(
  config: DiTConfig,
  images: Tensor,
  noise: StepNoise,
  settings: Pick<DiTStepSettings, "objective" | "lossWeight"> = {},
): StepLosses {
  const specifications = ditParameters(config);
  const states = parameterStates(specifications);
  const network = (x: Tensor): Tensor => dit(config, lookup(states), x, noise.t, noise.labels);
  const losses = sampleLosses(network, images, noise, settings);
  const loss = mean(losses.total);
  const zero = constantTensor(Float32Array.of(0), []);
  const terms = {
    meanSquaredError: mean(losses.meanSquaredError),
    variationalBound: losses.variationalBound ? mean(losses.variationalBound) : zero,
  };
  return { specifications, states, loss, terms };
}

/** The losses of each sample. */
function sampleLosses(
  network: (x: Tensor) => Tensor,
  clean: Tensor,
  { t, noise }: StepNoise,
  { objective = "noise", lossWeight: weight }: Pick<DiTStepSettings, "objective" | "lossWeight">,
): SampleLosses {
  if (objective === "flow") {
    const operands = { clean, noise, t };
    const total = flowLoss(operands, network(flowAt(operands)));
    return { meanSquaredError: total, total };
  }
  const at = scheduleAt(linearSchedule(), t);
  const noised = addNoise(clean, noise, at);
  const prediction = network(noised);
  return hybridLoss({ clean, noised, noise, t, prediction, at, predicts: objective, weight });
}

/** Draws time steps, noise and label dropout from the numbers of the samples. */
function drawNoise(
  config: DiTConfig,
  { batchSize, labelDropout, objective }: DiTStepSettings,
  source: Omit<RandomSource, "stream">,
  images: Tensor,
  labels: Tensor,
): StepNoise {
  const uniform = (stream: number): Tensor =>
    reshape(randomUniform({ ...source, stream }, [batchSize, 1]), [batchSize]);
  const time = uniform(streams.timestep);
  const step = (u: Expression): Expression =>
    unary("toInt", binary("multiply", u, constant(trainingSteps)));
  const dropped = map(
    (u, label) =>
      select(binary("less", u, constant(labelDropout)), constant(config.classes, "i32"), label),
    uniform(streams.labelDropout),
    labels,
  );
  return {
    t: objective === "flow" ? time : map(step, time),
    noise: randomNormal({ ...source, stream: streams.noise }, images.shape),
    labels: dropped,
  };
}
