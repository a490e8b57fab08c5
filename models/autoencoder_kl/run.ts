/**
 * The training run of an autoencoder.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import { seedWords } from "../../diffusion/streams.ts";
import type { Device } from "../../kernels/device.ts";
import { requireMultiple } from "../../nn/config.ts";
import { pictureBatches } from "../../training/runs/batch_source.ts";
import type { LoopEvents } from "../../training/runs/loop.ts";
import { type RunPlan, runTraining } from "../../training/runs/run.ts";
import type { Trainer } from "../../training/step/trainer.ts";
import { startingWeights } from "../perceptual/loss.ts";
import { overrideAutoencoderKLConfig } from "./config.ts";
import { type AutoencoderKLConfig, autoencoderKLParameters, spatialFactor } from "./model.ts";
import { reconstructionEvaluator } from "../reconstruction/evaluator.ts";
import { RunReconstructions } from "../reconstruction/run.ts";
import { autoencoderReconstructions, reconstructionSheets } from "./run_reconstructions.ts";
import type { AutoencoderKLRun } from "./settings.ts";
import { autoencoderKLCompanions, autoencoderKLTrainingGraphs } from "./step.ts";

/**
 * The configuration for a data set: its channels, unless they are overridden.
 *
 * @throws InputError when the pictures have not the size or the channels of the model
 */
export function configForPictures(
  base: AutoencoderKLConfig,
  dataset: Pick<ImageDataset, "channels" | "height" | "width" | "name">,
  overrides: Partial<AutoencoderKLConfig>,
): AutoencoderKLConfig {
  const config = overrideAutoencoderKLConfig(
    { ...base, channels: dataset.channels },
    overrides,
    `model for ${dataset.name}`,
  );
  checkPictures(config, dataset);
  return config;
}

/**
 * Checks that a model takes pictures.
 *
 * @throws InputError with the nearest valid values
 */
export function checkPictures(
  config: AutoencoderKLConfig,
  { channels, height, width, name }: Pick<ImageDataset, "channels" | "height" | "width" | "name">,
): void {
  if (height !== width) {
    throw new InputError(
      `${name}: pictures are ${width} x ${height}, training takes squares; give --image-size`,
    );
  }
  const factor = spatialFactor(config);
  requireMultiple(
    name,
    ["side", width],
    [`divisible by ${factor}`, factor],
    "sides (--image-size)",
  );
  if (channels !== config.channels) {
    throw new InputError(
      `${name}: the data set has channels ${channels}, the model ${config.channels}`,
    );
  }
}

/**
 * Trains, and returns the trainer with its states on the device.
 *
 * @param heldOut what is evaluated while it goes on, of the size of the others; the others unless told
 */
export async function trainAutoencoderKL(
  device: Device,
  dataset: ImageDataset,
  plan: RunPlan<AutoencoderKLRun>,
  events: LoopEvents & { ready?(trainer: Trainer): void } = {},
  heldOut: ImageDataset = dataset,
): Promise<Trainer> {
  const { description, start, samples, folder } = plan;
  const { config, run } = description;
  const { seed, batchSize, flip, perceptual } = run;
  checkPictures(config, dataset);
  const weights = await startingWeights(perceptual?.network, start);
  return await runTraining(
    device,
    {
      specifications: autoencoderKLParameters(config),
      companions: autoencoderKLCompanions(config, run, weights),
      graphs: autoencoderKLTrainingGraphs(config, run),
      batches: (startStep) => pictureBatches(dataset, { seed, batchSize, flip, startStep }),
      prepare: (trainer) => trainer.writeInput("seed", seedWords(seed)),
      drawer: async ({ averages }) =>
        samples && folder !== undefined
          ? await RunReconstructions.create(
            device,
            averages,
            await reconstructionSheets(description, dataset),
            folder,
          )
          : undefined,
      evaluator: async ({ averages }) => {
        if (!plan.evaluations) return undefined;
        const program = autoencoderReconstructions(config, run.imageSize);
        return await reconstructionEvaluator(device, averages, program, heldOut);
      },
    },
    plan,
    events,
  );
}
