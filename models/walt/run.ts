/**
 * The training run of W.A.L.T's denoiser.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import type { LatentDataset } from "../../data/latents/dataset.ts";
import { seedWords } from "../../diffusion/streams.ts";
import type { Device } from "../../kernels/device.ts";
import type { LoopEvents } from "../../training/runs/loop.ts";
import { type RunPlan, runTraining } from "../../training/runs/run.ts";
import type { Trainer } from "../../training/step/trainer.ts";
import { waltBatches } from "./batches.ts";
import type { WaltDataset } from "./conditions.ts";
import { overrideWaltConfig } from "./config.ts";
import { gridOf, type WaltConfig } from "./model.ts";
import { resizableParameters } from "./resize.ts";
import { noClipDecoder, type OpenClipDecoder, RunClips } from "./run_clips.ts";
import type { WaltRun } from "./settings.ts";
import { waltTrainingGraphs } from "./step.ts";
import type { Box } from "./windows.ts";

/** What must be known of clips, or of a cache of latents, to train on them. */
type TrainedClips =
  & Pick<ImageDataset, "channels" | "frames" | "height" | "width" | "classNames" | "name">
  & Partial<Pick<LatentDataset, "cache">>;

/** Channels that a model works on: of a posterior, those of its samples. */
const channelsOf = ({ cache, channels }: TrainedClips): number =>
  cache?.latent.channels ?? channels;

/**
 * The configuration for clips, or pictures, which are clips of one frame: their size, channels and
 * classes, and windows as the paper has them, unless they are overridden.
 *
 * @throws InputError with the nearest valid values
 */
export function configForClips(
  base: WaltConfig,
  data: TrainedClips,
  overrides: Partial<WaltConfig>,
): WaltConfig {
  const given = Object.fromEntries(
    Object.entries(overrides).filter(([, value]) => value !== undefined),
  );
  const sized: WaltConfig = {
    ...base,
    latentFrames: data.frames ?? 1,
    latentSize: [data.height, data.width],
    latentChannels: channelsOf(data),
    classes: base.textWidth === null ? data.classNames.length : null,
    ...given,
  };
  const config = overrideWaltConfig(
    sized,
    { ...usualWindows(sized), ...given },
    `model for ${data.name}`,
  );
  requireFittingClips(config, data);
  return config;
}

/**
 * The paper's windows: whole frames, and all frames of a quarter of their area; pictures have no windows
 * that span time. What is no whole number is left for the check to tell.
 */
export function usualWindows(
  config: WaltConfig,
): Pick<WaltConfig, "spatialWindow" | "spatioTemporalWindow"> {
  const [frames, rows, columns] = gridOf(config).map(Math.floor);
  const half = (size: number): number => size % 2 === 0 ? size / 2 : size;
  const across: Box | null = frames === 1 ? null : [frames, half(rows), half(columns)];
  return { spatialWindow: [rows, columns], spatioTemporalWindow: across };
}

/**
 * Requires that a model takes what the clips are.
 *
 * @throws {InputError} naming what differs
 */
export function requireFittingClips(config: WaltConfig, data: TrainedClips): void {
  const { latentFrames, latentSize: [height, width], latentChannels, classes } = config;
  const fields: [what: string, model: number, found: number][] = [
    ["frames", latentFrames, data.frames ?? 1],
    ["height", height, data.height],
    ["width", width, data.width],
    ["channels", latentChannels, channelsOf(data)],
  ];
  for (const [what, model, found] of fields) {
    if (model === found) continue;
    throw new InputError(`${data.name}: the data set has ${what} ${found}, the model ${model}`);
  }
  const known = data.classNames.length;
  if (classes !== null && classes < known) {
    throw new InputError(`${data.name}: the data set has classes ${known}, the model ${classes}`);
  }
}

/** Trains, and returns the trainer with its states on the device. */
export async function trainWalt(
  device: Device,
  dataset: WaltDataset,
  plan: RunPlan<WaltRun>,
  events: LoopEvents & { ready?(trainer: Trainer): void } = {},
  openDecoder: OpenClipDecoder = noClipDecoder,
): Promise<Trainer> {
  const { description, samples, folder } = plan;
  const { config, run } = description;
  const { seed, batchSize, flip, imageShare } = run;
  requireFittingClips(config, dataset);
  return await runTraining(
    device,
    {
      specifications: resizableParameters(config),
      graphs: waltTrainingGraphs(config, run),
      batches: (startStep) =>
        waltBatches(dataset, { seed, batchSize, flip, imageShare, startStep }),
      prepare: (trainer) => trainer.writeInput("seed", seedWords(seed)),
      drawer: async ({ averages }) =>
        samples && folder !== undefined
          ? await RunClips.create(
            device,
            averages,
            description,
            dataset,
            samples,
            folder,
            events.warning,
            openDecoder,
          )
          : undefined,
    },
    plan,
    events,
  );
}
