/**
 * `tessera train dit`: from flags to a run.
 *
 * @module
 */
import { basename, resolve } from "@std/path";
import { quote } from "../../../base/errors.ts";
import { checkChannels, openDataset, type OpenDatasetOptions } from "../../../data/open.ts";
import type { ImageDataset } from "../../../data/dataset.ts";
import { type DiTConfig, ditParameters } from "../../../models/dit/model.ts";
import { describeDiT } from "../../../models/dit/graph.ts";
import { descriptionOf, type DiTRun } from "../../../training/runs/manifest.ts";
import { runSampling } from "../../../models/dit/run_samples.ts";
import { type RunPlan, type Start, startFromWeights } from "../../../training/runs/run.ts";
import { configForDataset, trainDiT } from "../../../models/dit/run.ts";
import { assetPath } from "../../terminal/assets.ts";
import { recordedData } from "../recorded_data.ts";
import { asUsage, UsageError } from "../../terminal/errors.ts";
import type { Parsed } from "../../flags/flags.ts";
import type { Io } from "../../terminal/io.ts";
import { describePictures, Opening } from "../../terminal/opening.ts";
import { ditFamily } from "../../../models/dit/family.ts";
import { baseConfig } from "../../flags/model_config.ts";
import type { trainDitFlags, TrainDitOptions } from "./train_flags.ts";
import {
  findResumedRun,
  type PreparedRun,
  requireFamily,
  requireSameData,
  startRun,
} from "../../commands/train_run.ts";
import { parts, rateSchedule, sampleSchedule, schedule } from "../../flags/train_settings.ts";

/** How manifests name the pictures that come with the tool. */
const shippedSamples = "shipped:fashion";

/** Opens the data set of a run: a path, or the shipped pictures. */
async function openTrainingData(
  io: Io,
  quiet: boolean,
  path: string | undefined,
  options: Pick<OpenDatasetOptions, "imageSize" | "channels" | "classNames">,
): Promise<ImageDataset> {
  const place = path === undefined || path === shippedSamples
    ? assetPath("data/samples/fashion")
    : path;
  using opening = new Opening(io, quiet);
  const { warn, watch } = opening;
  return await openDataset(place, { ...options, warn, watch });
}

/** What a data set without a choice of classes may come from. */
function oneClassWarning({ name, classNames }: ImageDataset): string {
  return `warning: ${name}: all pictures are of one class, ${quote(classNames[0])}: classes are ` +
    "sub-folders, or labels";
}

/** Starts, resumes or only describes a run. */
export async function runTrainDit(io: Io, parsed: Parsed<typeof trainDitFlags>): Promise<void> {
  const { values } = parsed;
  const run = values.resume === undefined
    ? await prepareNewRun(io, parsed)
    : await prepareResume(io, parsed);
  if (values.dryRun) {
    run.notes?.forEach((note) => io.tell(note));
    const { describeDiTPlan } = await import("../../commands/train_plan.ts");
    io.out(await describeDiTPlan(run.plan, run.dataset, values));
    return;
  }
  await startRun(io, parsed, prepared(run, titleOf(values)));
}

/** A run with its data. */
export interface DiTPlan {
  readonly plan: RunPlan<DiTRun>;
  readonly dataset: ImageDataset;
  /** What is to be told about where the weights come from. */
  readonly notes?: readonly string[];
}

/** What the run folder is called after. */
export function titleOf({ config, model }: TrainDitOptions): string {
  return config === undefined ? model : basename(config, ".json");
}

/** The flags of `sample dit`, where they are not its defaults, that draw the grids of a run again. */
function gridFlags({ samples, description: { config, run } }: RunPlan<DiTRun>): string[] {
  if (samples === undefined) return [];
  const { sampler, steps, batchSize } = runSampling(config, samples);
  return [
    `--sampler ${sampler} --num-sampling-steps ${steps}`,
    ...(run.seed === 0 ? [] : [`--seed ${run.seed}`]),
    ...(batchSize > config.classes ? [`--count ${batchSize}`] : []),
  ];
}

/** The run as {@link startRun} takes it. */
export function prepared({ plan, dataset, notes }: DiTPlan, title: string): PreparedRun<DiTRun> {
  const { config, run } = plan.description;
  return {
    command: "dit",
    title,
    plan,
    notes,
    parameters: describeDiT(config).parameters,
    data: describePictures(dataset),
    batch: `batch ${run.batchSize}`,
    columns: {},
    next: {
      what: "draw pictures with",
      command: (folder) => ["sample dit --ckpt", folder, ...gridFlags(plan)].join(" "),
    },
    train: (device, withFolder, events) => trainDiT(device, dataset, withFolder, events),
  };
}

/** A new run from flags: data, configuration, description. */
export async function prepareNewRun(
  io: Io,
  { values, given }: Parsed<typeof trainDitFlags>,
): Promise<DiTPlan> {
  const base = await baseConfig(ditFamily, values);
  const { imageSize, channels } = values;
  asUsage(() => checkChannels(channels));
  const dataset = await openTrainingData(io, values.quiet, values.dataPath, {
    imageSize,
    channels,
  });
  if (dataset.classNames.length === 1) io.tell(oneClassWarning(dataset));
  const config = asUsage(() =>
    configForDataset(base, dataset, {
      inputSize: imageSize,
      channels,
      patch: values.patch,
      hidden: values.hidden,
      depth: values.depth,
      heads: values.heads,
      classes: values.numClasses,
    })
  );
  const { globalBatchSize } = values;
  const samples = sampleSchedule(values, given);
  const runSchedule = schedule(values, given, dataset.length / globalBatchSize);
  if (samples && config.channels !== 1 && config.channels !== 3) {
    throw new UsageError(
      `--sample-every draws pictures of 1 or 3 channels, the model has ${config.channels}`,
    );
  }
  const learningRate = values.lr ?? (config.hidden < 384 ? 1e-3 : 1e-4);
  const description: DiTRun = {
    format: "tessera-checkpoint",
    version: 2,
    config,
    classNames: [...dataset.classNames],
    run: {
      seed: values.seed,
      batchSize: globalBatchSize,
      accumulate: parts(values.accumulate, globalBatchSize, `the batch of ${globalBatchSize}`),
      learningRate,
      rateSchedule: rateSchedule(values, given, learningRate, runSchedule.steps),
      weightDecay: values.weightDecay,
      clipNorm: values.clipGrad,
      averageDecay: values.emaDecay,
      labelDropout: values.labelDropout,
      flip: values.flip,
    },
    dataFingerprint: dataset.fingerprint,
    dataPath: values.dataPath === undefined ? shippedSamples : resolve(values.dataPath),
  };
  const { start, notes } = await startOf(values, config);
  return { plan: { ...runSchedule, samples, description, start }, dataset, notes };
}

/** Where the weights of a new run come from; what is wrong with them shows before it is made. */
async function startOf(
  { initFrom }: TrainDitOptions,
  config: DiTConfig,
): Promise<Pick<DiTPlan, "notes"> & { readonly start: Start }> {
  if (initFrom === undefined) return { start: { from: "seed" } };
  return await startFromWeights(initFrom, ditParameters(config));
}

async function prepareResume(
  io: Io,
  { values, given }: Parsed<typeof trainDitFlags>,
): Promise<DiTPlan> {
  const { checkpoint, folder, manifest } = await findResumedRun(values, given);
  requireFamily("dit", manifest, folder);
  const { schedule: before } = manifest;
  const description = descriptionOf<DiTRun>(manifest);
  const { inputSize, channels } = manifest.config;
  const path = values.dataPath ?? manifest.dataPath;
  const dataset = await recordedData(
    values.dataPath,
    openTrainingData(io, values.quiet, path, {
      imageSize: inputSize,
      channels,
      classNames: manifest.classNames,
    }),
  );
  requireSameData(dataset, manifest);
  return {
    plan: {
      ...schedule(values, given, dataset.length / manifest.run.batchSize, before),
      samples: sampleSchedule(values, given, before?.samples),
      description: values.dataPath === undefined
        ? description
        : { ...description, dataPath: resolve(values.dataPath) },
      start: { from: "resume", checkpoint },
      folder,
    },
    dataset,
  };
}
