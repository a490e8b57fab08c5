/**
 * The training run of a DiT.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import type { LatentDataset } from "../../data/latents/dataset.ts";
import { seedWords } from "../../diffusion/streams.ts";
import type { Device } from "../../kernels/device.ts";
import { type DiTConfig, ditParameters } from "./model.ts";
import { type DiTOverrides, overrideDiTConfig } from "./config.ts";
import { pictureBatches } from "../../training/runs/batch_source.ts";
import { ditTrainingGraphs } from "./step.ts";
import type { LoopEvents } from "../../training/runs/loop.ts";
import type { DiTRun } from "./settings.ts";
import { type RunPlan, runTraining } from "../../training/runs/run.ts";
import { type OpenExtractor, runEvaluator } from "./run_evaluation.ts";
import { noDecoder, type OpenDecoder, RunSamples } from "./run_samples.ts";
import type { Trainer } from "../../training/step/trainer.ts";

/** What must be known of pictures, or of a cache of latents, to train on them. */
type TrainedPictures =
  & Pick<ImageDataset, "channels" | "height" | "width" | "classNames" | "name">
  & Partial<Pick<LatentDataset, "cache">>;

/** The configuration for a data set: its side, channels and classes, unless they are overridden. */
export function configForDataset(
  base: DiTConfig,
  dataset: TrainedPictures,
  overrides: DiTOverrides,
): DiTConfig {
  if (dataset.height !== dataset.width) {
    throw new InputError(
      `${dataset.name}: pictures are ${dataset.width} x ${dataset.height}, a DiT needs squares; ` +
        `give --image-size for folders of pictures`,
    );
  }
  const config = overrideDiTConfig(base, {
    inputSize: dataset.width,
    channels: channelsOf(dataset),
    classes: dataset.classNames.length,
    ...Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined)),
  }, `model for ${dataset.name}`);
  requireFittingPictures(config, dataset);
  return config;
}

/** Channels that a model works on: of a posterior, those of its samples. */
const channelsOf = (dataset: TrainedPictures): number =>
  dataset.cache?.latent.channels ?? dataset.channels;

/**
 * Requires that a model takes what the pictures are.
 *
 * @throws {InputError} naming what differs
 */
export function requireFittingPictures(config: DiTConfig, dataset: TrainedPictures): void {
  const differ = (what: string, model: number, data: number): string =>
    `${dataset.name}: the data set has ${what} ${data}, the model ${model}`;
  if (config.inputSize !== dataset.width) {
    throw new InputError(differ("side", config.inputSize, dataset.width));
  }
  if (config.channels !== channelsOf(dataset)) {
    throw new InputError(differ("channels", config.channels, channelsOf(dataset)));
  }
  if (config.classes < dataset.classNames.length) {
    throw new InputError(differ("classes", config.classes, dataset.classNames.length));
  }
}

/** What the pictures of a run are compared with, and by which features. */
export interface EvaluatedPictures {
  readonly real: ImageDataset;
  readonly openExtractor: OpenExtractor;
}

/**
 * Trains, and returns the trainer with its states on the device.
 *
 * @param openDecoder opens what decodes the samples of a model of latents
 * @param evaluated what the plan's evaluations compare with
 */
export async function trainDiT(
  device: Device,
  dataset: ImageDataset,
  plan: RunPlan<DiTRun>,
  events: LoopEvents & { ready?(trainer: Trainer): void } = {},
  openDecoder: OpenDecoder = noDecoder,
  evaluated: EvaluatedPictures | undefined = undefined,
): Promise<Trainer> {
  const { description, samples, folder } = plan;
  const { config, run } = description;
  const { seed, batchSize, flip } = run;
  requireFittingPictures(config, dataset);
  return await runTraining(
    device,
    {
      specifications: ditParameters(config),
      graphs: ditTrainingGraphs(config, run),
      batches: (startStep) => pictureBatches(dataset, { seed, batchSize, flip, startStep }),
      prepare: (trainer) => trainer.writeInput("seed", seedWords(seed)),
      drawer: async ({ averages }) =>
        samples && folder !== undefined
          ? await RunSamples.create(
            device,
            averages,
            description,
            samples,
            folder,
            events.warning,
            openDecoder,
          )
          : undefined,
      evaluator: ({ averages }) => {
        if (evaluated === undefined) return undefined;
        const { real, openExtractor } = evaluated;
        const warn = events.warning ?? console.warn;
        return runEvaluator(device, description, averages, real, openExtractor, warn);
      },
    },
    plan,
    events,
  );
}
