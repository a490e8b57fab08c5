/**
 * A training run of a DiT from start to end: new, resumed, or from given weights.
 *
 * @module
 */
import { join, resolve } from "@std/path";
import { writeTextAtomically } from "../formats/atomic_file.ts";
import { InputError } from "../formats/errors.ts";
import type { ImageDataset } from "../data/dataset.ts";
import type { Device } from "../kernels/device.ts";
import { type DiTConfig, ditParameters } from "../models/dit.ts";
import { type DiTOverrides, overrideDiTConfig } from "../models/dit_config.ts";
import {
  isWeightsFile,
  type Manifest,
  readManifest,
  readState,
  readWeights,
  type RunDescription,
  type RunSchedule,
  weightsPath,
} from "./checkpoint.ts";
import { ditTrainingGraphs } from "./dit_step.ts";
import { type LoopEvents, trainLoop } from "./loop.ts";
import { truncateMetrics } from "./metrics.ts";
import { RunSamples } from "./run_samples.ts";
import {
  createRunFolder,
  enterRunFolder,
  latestCheckpoint,
  resolveCheckpoint,
} from "./run_folder.ts";
import { allocateState, copyAverages, initializeState, Trainer } from "./trainer.ts";

/** The configuration for a data set: its side, channels and classes, unless they are overridden. */
export function configForDataset(
  base: DiTConfig,
  dataset: Pick<ImageDataset, "channels" | "height" | "width" | "classNames" | "name">,
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
    channels: dataset.channels,
    classes: dataset.classNames.length,
    ...Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined)),
  }, `model for ${dataset.name}`);
  checkDataset(config, dataset);
  return config;
}

/** Whether a model can be trained on a data set. */
function checkDataset(
  config: DiTConfig,
  dataset: Pick<ImageDataset, "channels" | "width" | "classNames" | "name">,
): void {
  const differ = (what: string, model: number, data: number): string =>
    `${dataset.name}: the data set has ${what} ${data}, the model ${model}`;
  if (config.inputSize !== dataset.width) {
    throw new InputError(differ("side", config.inputSize, dataset.width));
  }
  if (config.channels !== dataset.channels) {
    throw new InputError(differ("channels", config.channels, dataset.channels));
  }
  if (config.classes < dataset.classNames.length) {
    throw new InputError(differ("classes", config.classes, dataset.classNames.length));
  }
}

/** Where the weights of a run come from. */
export type Start =
  | { readonly from: "seed" }
  /** Everything from a checkpoint folder; the run goes on in its run folder. */
  | { readonly from: "resume"; readonly checkpoint: string }
  /** Only the weights, from a safetensors file. */
  | { readonly from: "weights"; readonly path: string };

/** What a run does besides the description. */
export interface RunPlan extends RunSchedule {
  /** What the checkpoints say about the run. */
  readonly description: RunDescription;
  /** Where the first weights come from. */
  readonly start: Start;
  /** Run folder; undefined trains without leaving anything behind. */
  readonly folder?: string;
}

/** Makes a run folder with `config.json` in it. */
export async function startRunFolder(
  results: string,
  title: string,
  plan: Omit<RunPlan, "folder">,
): Promise<string> {
  const folder = await createRunFolder(results, title);
  await writeTextAtomically(join(folder, "config.json"), `${JSON.stringify(plan, null, 2)}\n`);
  return folder;
}

/**
 * The run that a run folder's newest checkpoint belongs to; a path of that checkpoint does as well.
 *
 * @throws InputError when there is none, or when the checkpoint is not the newest of a run folder
 */
export async function findRun(
  path: string,
): Promise<{ checkpoint: string; folder: string; manifest: Manifest }> {
  const checkpoint = await resolveCheckpoint(path);
  const manifest = await readManifest(checkpoint);
  const folder = join(checkpoint, "..", "..");
  const newest = await latestCheckpoint(folder);
  if (newest === undefined || resolve(newest) !== resolve(checkpoint)) {
    // Going on from an older one would mix two runs in one folder.
    const reason = newest === undefined
      ? "is not in the folder of a run"
      : `the run has the newer checkpoint ${newest}: resume that one, or remove it`;
    throw new InputError(
      `checkpoint ${checkpoint}: ${reason}; --init-from starts a new run from its weights`,
    );
  }
  return { checkpoint, folder, manifest };
}

/** Trains, and returns the trainer with its states on the device. */
export async function trainDiT(
  device: Device,
  dataset: ImageDataset,
  plan: RunPlan,
  events: LoopEvents & { ready?(trainer: Trainer): void } = {},
): Promise<Trainer> {
  const { description, start } = plan;
  const { config, run } = description;
  checkDataset(config, dataset);
  using _inUse = plan.folder === undefined ? undefined : await enterRunFolder(plan.folder);
  const state = allocateState(device, ditParameters(config));
  let step = 0;
  if (start.from === "resume") {
    step = (await readManifest(start.checkpoint)).step;
    await readState(start.checkpoint, state);
    if (plan.folder !== undefined) await truncateMetrics(plan.folder, step);
  } else if (start.from === "weights") {
    await readWeights(start.path, state.specifications, state.parameters);
    await copyAverages(state);
  } else {
    await initializeState(device, state, run.seed);
  }
  const trainer = await Trainer.create(device, ditTrainingGraphs(config, run), state, run, step);
  const samples = plan.samples === undefined || plan.folder === undefined
    ? undefined
    : await RunSamples.create(device, state.averages, description, plan.samples, plan.folder);
  const draw = samples && ((step: number) => samples.draw(step));
  try {
    events.ready?.(trainer);
    await trainLoop(trainer, dataset, { ...plan, manifest: description }, { draw, ...events });
  } finally {
    samples?.destroy();
  }
  return trainer;
}

/** The safetensors file of weights that a path means: a file, a checkpoint or a run. */
export async function resolveWeights(path: string): Promise<string> {
  if (isWeightsFile(path)) return path;
  return weightsPath(await resolveCheckpoint(path), "raw");
}
