/**
 * `tessera train dit`: from flags to a run, its progress and its messages.
 *
 * @module
 */
import { basename, resolve } from "@std/path";
import { openDataset } from "../data/open.ts";
import type { ImageDataset } from "../data/dataset.ts";
import { InputError } from "../formats/errors.ts";
import { type ChosenDevice, selectDevice } from "../kernels/select_device.ts";
import { ditConfigByName, parseDiTConfig } from "../models/dit_config.ts";
import { type DiTConfig, ditParameters } from "../models/dit.ts";
import { describeDiT } from "../models/dit_graph.ts";
import { checkWeights, type RunDescription } from "../training/checkpoint.ts";
import type { Metrics } from "../training/metrics.ts";
import {
  configForDataset,
  findRun,
  resolveWeights,
  type RunPlan,
  type Start,
  startRunFolder,
  trainDiT,
} from "../training/train_dit.ts";
import type { RunTime } from "../training/run_time.ts";
import { newestRun, removeRunFolder } from "../training/run_folder.ts";
import { appendLog } from "../training/run_log.ts";
import { assetPath } from "./assets.ts";
import { asUsage, UsageError } from "./errors.ts";
import { readTextFile } from "./files.ts";
import type { Io } from "./io.ts";
import { formatCount } from "./numbers.ts";
import { amount, describeSeconds, fixed, Progress } from "./progress.ts";
import { watchSignals } from "./signals.ts";
import type { TrainDitOptions } from "./train.ts";
import { parts, rateSchedule, schedule } from "./train_settings.ts";

/** How manifests name the pictures that come with the tool. */
const shippedSamples = "shipped:fashion";

/** Flags that a resumed run may be given; everything else it takes from its checkpoint. */
const resumeFlags = new Set<keyof TrainDitOptions>([
  "resume",
  "steps",
  "epochs",
  "dataPath",
  "resultsDir",
  "ckptEvery",
  "keep",
  "sampleEvery",
  "sampleSteps",
  "logEvery",
  "device",
  "threads",
  "strictMath",
  "dryRun",
  "quiet",
  "logFormat",
]);

/** Flags that decide the bits of a run and are not kept in its checkpoints. */
const arithmeticFlags = ["device", "threads", "strictMath"] as const;

/** Opens the data set of a run: a path, or the shipped pictures. */
export async function openTrainingData(
  path: string | undefined,
  options: { imageSize?: number; channels?: number } = {},
): Promise<ImageDataset> {
  const place = path === undefined || path === shippedSamples
    ? assetPath("data/samples/fashion")
    : path;
  return await openDataset(place, options);
}

/** Starts, resumes or only describes a run. */
export async function runTrainDit(
  io: Io,
  values: TrainDitOptions,
  given: ReadonlySet<keyof TrainDitOptions>,
): Promise<void> {
  const prepared = values.resume === undefined
    ? await prepareNewRun(values, given)
    : await prepareResume(values, given);
  if (values.dryRun) {
    const { describePlan } = await import("./train_plan.ts");
    io.out(await describePlan(prepared, values));
    return;
  }
  const chosen = await selectDevice(values);
  try {
    await train(io, values, given, prepared, chosen);
  } finally {
    chosen.device.close();
  }
}

/** A run ready to start. */
export interface PreparedRun {
  readonly plan: RunPlan;
  readonly dataset: ImageDataset;
  readonly title: string;
}

/** A new run from flags: data, configuration, description. */
export async function prepareNewRun(
  values: TrainDitOptions,
  given: ReadonlySet<keyof TrainDitOptions>,
): Promise<PreparedRun> {
  const base = await baseConfig(values);
  const { imageSize, channels } = values;
  const dataset = await openTrainingData(values.dataPath, { imageSize, channels });
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
  const runSchedule = schedule(values, given, dataset, values.globalBatchSize);
  if (runSchedule.samples && config.channels !== 1 && config.channels !== 3) {
    throw new UsageError(
      `--sample-every draws pictures of 1 or 3 channels, the model has ${config.channels}`,
    );
  }
  const learningRate = values.lr ?? (config.hidden < 384 ? 1e-3 : 1e-4);
  const description: RunDescription = {
    format: "tessera-checkpoint",
    version: 1,
    config,
    classNames: [...dataset.classNames],
    run: {
      seed: values.seed,
      batchSize: values.globalBatchSize,
      accumulate: parts(values),
      learningRate,
      rateSchedule: rateSchedule(values, learningRate, runSchedule.steps),
      weightDecay: values.weightDecay,
      clipNorm: values.clipGrad,
      averageDecay: values.emaDecay,
      labelDropout: values.labelDropout,
      flip: values.flip,
    },
    dataFingerprint: dataset.fingerprint,
    dataPath: values.dataPath === undefined ? shippedSamples : resolve(values.dataPath),
  };
  const start = await startOf(values, config);
  return {
    plan: { ...runSchedule, description, start },
    dataset,
    title: values.config === undefined ? values.model : basename(values.config, ".json"),
  };
}

/** Where the weights of a new run come from; what is wrong with them shows before it is made. */
async function startOf({ initFrom }: TrainDitOptions, config: DiTConfig): Promise<Start> {
  if (initFrom === undefined) return { from: "seed" };
  const path = await resolveWeights(initFrom);
  await checkWeights(path, ditParameters(config));
  return { from: "weights", path };
}

/** The model that flags or a file name, before data and overrides. */
async function baseConfig({ config, model }: TrainDitOptions): Promise<DiTConfig> {
  if (config === undefined) return asUsage(() => ditConfigByName(model));
  return parseDiTConfig(await readTextFile(config), config);
}

async function prepareResume(
  values: TrainDitOptions,
  given: ReadonlySet<keyof TrainDitOptions>,
): Promise<PreparedRun> {
  const refused = [...given].find((name) => !resumeFlags.has(name));
  if (refused !== undefined) {
    throw new UsageError(
      `--resume goes on with the settings of the run, so ${flagName(refused)} cannot be given; ` +
        "use --init-from to start a new run from its weights",
    );
  }
  const path = values.resume === "auto" ? await newestRun(values.resultsDir) : values.resume!;
  const { checkpoint, folder, manifest } = await findRun(path);
  const { step: _, schedule: before, ...description } = manifest;
  const { inputSize, channels } = manifest.config;
  const dataset = await openTrainingData(values.dataPath ?? manifest.dataPath, {
    imageSize: inputSize,
    channels,
  });
  if (dataset.fingerprint !== manifest.dataFingerprint) {
    throw new InputError(
      `${dataset.name}: not the pictures this run was trained on (${manifest.dataPath}); ` +
        "a resumed run must see the same data, a new run may start with --init-from",
    );
  }
  return {
    plan: {
      ...schedule(values, given, dataset, manifest.run.batchSize, before),
      description: values.dataPath === undefined
        ? description
        : { ...description, dataPath: resolve(values.dataPath) },
      start: { from: "resume", checkpoint },
      folder,
    },
    dataset,
    title: folder,
  };
}

const flagName = (name: string): string =>
  `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

async function train(
  io: Io,
  values: TrainDitOptions,
  given: ReadonlySet<keyof TrainDitOptions>,
  { plan, dataset, title }: PreparedRun,
  { device, reason }: ChosenDevice,
): Promise<void> {
  const { config, run } = plan.description;
  // Before there is a run folder, because a model can be too large to be described.
  const { parameters } = describeDiT(config);
  const folder = plan.folder ?? await startRunFolder(values.resultsDir, title, plan);
  const progress = trainingProgress(io, plan.steps, values, folder);
  progress.note(`device: ${device.kind}, ${device.description} (${reason})`);
  progress.note(
    `data: ${dataset.name}, ${dataset.length} pictures, ${dataset.classNames.length} classes`,
  );
  progress.note(`model: ${formatCount(parameters)} parameters, batch ${run.batchSize}`);
  progress.note(`run folder: ${folder}`);
  using watch = watchSignals(io, "finishing this step and saving");
  const started = performance.now();
  let latest: Metrics | undefined;
  let isReady = false;
  const running = trainDiT(device, dataset, { ...plan, folder }, {
    signal: watch.signal,
    ready: ({ step }) => {
      isReady = true;
      const seconds = (performance.now() - started) / 1000;
      progress.note(`compiled in ${seconds.toFixed(1)} s`);
      if (step >= plan.steps) {
        progress.note(`step ${step} of ${plan.steps}: nothing to do; --steps sets a later end`);
      }
    },
    step: (step) => progress.update(step, latest && readings(latest)),
    metrics: (metrics) => {
      latest = metrics;
      progress.log(metrics.step, readings(metrics));
      if (metrics.skippedSteps > 0) {
        progress.note(`skipped ${metrics.skippedSteps} steps: a gradient was not finite`);
      }
    },
    checkpoint: (path) => progress.note(`saved ${path}`),
    finished: (time) => {
      if (time.steps > 0) progress.note(describeTime(time));
    },
  });
  const trainer = await running.catch(async (error) => {
    // What does not fit into memory leaves no empty run behind.
    if (!isReady && plan.folder === undefined) await removeRunFolder(folder);
    throw error;
  });
  progress.end();
  const command = (rest: string) => `deno task tessera ${rest}`;
  if (watch.signal.aborted) {
    io.err(
      `stopped at step ${trainer.step}; go on with: ` +
        `${command(resumeArguments(folder, values, given))}\n`,
    );
    throw watch.signal.reason;
  }
  if (!values.quiet) {
    io.err(`draw pictures with: ${command(`sample dit --ckpt ${shellWord(folder)}`)}\n`);
  }
  io.out(folder);
}

/** The command line that goes on with a run on the same device. */
function resumeArguments(
  folder: string,
  values: TrainDitOptions,
  given: ReadonlySet<keyof TrainDitOptions>,
): string {
  const flags = arithmeticFlags.filter((name) => given.has(name)).map((name) => {
    const value = values[name];
    return typeof value === "boolean" ? flagName(name) : `${flagName(name)} ${value}`;
  });
  return ["train dit --resume", shellWord(folder), ...flags].join(" ");
}

/** A word as a shell reads it. */
function shellWord(text: string): string {
  return /^[\w./:\\-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Where the time of a run went. */
function describeTime(time: RunTime): string {
  const share = (seconds: number) => `${(100 * seconds / time.seconds).toFixed(2)} %`;
  const each = time.checkpoints / Math.max(time.checkpointCount, 1);
  const samples = time.samples > 0 ? `, drawing samples ${share(time.samples)}` : "";
  return `time: ${describeSeconds(time.seconds)} for ${time.steps} steps; ` +
    `waiting for data ${share(time.dataWait)}, checkpoints ${share(time.checkpoints)} ` +
    `(${time.checkpointCount} of ${each.toFixed(2)} s)${samples}`;
}

/** The progress of a training run. */
function trainingProgress(
  io: Io,
  total: number,
  { quiet, logFormat }: Pick<TrainDitOptions, "quiet" | "logFormat">,
  folder: string,
) {
  return new Progress(io, {
    noun: "step",
    total,
    columns: {
      loss: { ...fixed("loss", 4), averageLabel: "ema loss" },
      gradientNorm: fixed("grad norm", 3),
      learningRate: { label: "lr", format: (rate) => rate.toExponential(2) },
      imagesPerSecond: amount("images/s"),
    },
    quiet,
    logFormat,
    keep: (line) => appendLog(folder, line),
  });
}

/** The part of the metrics that the progress line shows. */
function readings({ loss, gradientNorm, learningRate, imagesPerSecond }: Metrics) {
  return { loss, gradientNorm, learningRate, imagesPerSecond };
}
