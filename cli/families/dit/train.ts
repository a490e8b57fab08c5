/**
 * `tessera train dit`: what is DiT's own of it.
 *
 * @module
 */
import { resolve } from "@std/path";
import { InputError, quote } from "../../../base/errors.ts";
import type { ImageDataset } from "../../../data/dataset.ts";
import { isLatentCache } from "../../../data/latents/cache.ts";
import { isLatentDataset, openLatentCache } from "../../../data/latents/dataset.ts";
import { checkChannels, openDataset } from "../../../data/open.ts";
import { samplingPrograms } from "../../../diffusion/sampling.ts";
import type { Device } from "../../../kernels/device.ts";
import { ditFamily } from "../../../models/dit/family.ts";
import { overrideDiTConfig } from "../../../models/dit/config.ts";
import { describeDiT } from "../../../models/dit/graph.ts";
import type { DiTConfig } from "../../../models/dit/model.ts";
import { configForDataset, requireFittingPictures, trainDiT } from "../../../models/dit/run.ts";
import { type PictureDecoder, runSampling } from "../../../models/dit/run_samples.ts";
import { ditSampling, findDiT } from "../../../models/dit/sampling.ts";
import type { DiTRun, DiTSettings } from "../../../models/dit/settings.ts";
import type { Objective } from "../../../diffusion/objective.ts";
import { isWeightsFile } from "../../../training/checkpoints/checkpoint.ts";
import type { RunPlan } from "../../../training/runs/run.ts";
import { openExtractor } from "../../features/extractor.ts";
import { sampleSchedule } from "../../flags/train_settings.ts";
import { checkLatents, latentDifference, requirePixels } from "../../runs/latent_data.ts";
import { asUsage, UsageError } from "../../terminal/errors.ts";
import { formatCount, inParts } from "../../terminal/numbers.ts";
import type { TrainingCommand } from "../training.ts";
import { decoderProgram, findPictureDecoder } from "./decoder.ts";
import { ditFields } from "./model_flags.ts";
import type { TrainDitOptions } from "./train_flags.ts";

/** What a data set without a choice of classes may come from. */
function oneClassWarning({ name, classNames }: ImageDataset): string[] {
  if (classNames.length > 1) return [];
  return [
    `warning: ${name}: all pictures are of one class, ${quote(classNames[0])}: classes are ` +
    "sub-folders, or labels",
  ];
}

/** The flags of `sample dit`, where they are not its defaults, that draw the grids of a run again. */
function gridFlags({ samples, description }: RunPlan<DiTRun>): string[] {
  if (samples === undefined) return [];
  const { config, run } = description;
  const { sampler, steps, batchSize } = runSampling(description, samples);
  return [
    `--sampler ${sampler} --num-sampling-steps ${steps}`,
    ...(run.seed === 0 ? [] : [`--seed ${run.seed}`]),
    ...(batchSize > config.classes ? [`--count ${batchSize}`] : []),
  ];
}

/** Refuses latents that are not those of the run, or of clips. */
function checkPictures(settings: DiTSettings, data: ImageDataset): void {
  checkLatents(settings, data);
  if (isLatentDataset(data) && data.cache.latent.frames !== undefined) {
    throw new InputError(`${data.name}: holds latents of clips, a DiT is trained on pictures`);
  }
}

/** Width of the smallest published model. */
const smallestPublished = 384;

/**
 * The rate at which models learn fastest; the paper's (section 4) from its smallest one on. Blocks that begin as
 * the identity take a higher one, the others of that width learn less from it.
 */
function usualRate({ hidden, conditioning }: DiTConfig): number {
  if (hidden >= smallestPublished) return 1e-4;
  return hidden <= 128 && conditioning === "adaLN-Zero" ? 4e-3 : 2e-3;
}

/**
 * What a model is trained to predict where no flag says it: a flow is what small models learn fastest
 * (docs/training.md), larger ones are the paper's, as are files of weights, which do not say.
 */
function objectiveOf(
  { objective, lossWeight, initFrom, config }: TrainDitOptions,
  hidden: number,
): Objective {
  if (objective !== undefined) return objective;
  const isFromScratch = initFrom === undefined && config === undefined;
  const isPlain = lossWeight === "uniform";
  return isFromScratch && isPlain && hidden < smallestPublished ? "flow" : "noise";
}

/** The flags of a run from a checkpoint, which goes on predicting what that did unless told otherwise. */
async function withObjective(values: TrainDitOptions): Promise<TrainDitOptions> {
  const { objective, initFrom } = values;
  if (objective !== undefined || initFrom === undefined) return values;
  if (await isWeightsFile(initFrom)) return values;
  return { ...values, objective: (await findDiT(initFrom, "raw")).objective ?? "noise" };
}

/** Refuses weights of noise levels where there is no schedule of them. */
function checkObjective({ objective, lossWeight }: DiTSettings): void {
  if (objective !== "flow" || lossWeight === undefined) return;
  throw new UsageError(`--loss-weight ${lossWeight} is for a diffusion, not for --objective flow`);
}

/** Opens the autoencoder of a run on latents; undefined for one on pictures. */
async function openRunDecoder(
  device: Device,
  { config, run: { latents: settings } }: DiTRun,
): Promise<PictureDecoder | undefined> {
  if (!settings) return undefined;
  const wayOut = "which draws the samples; --sample-every 0 draws none";
  const found = await findPictureDecoder(undefined, { ...config, settings }, wayOut);
  return await found.open(device);
}

/** Pictures at a time whose features an evaluation computes. */
const featureBatch = 16;

/** Training of DiT. */
export const ditTraining: TrainingCommand<
  TrainDitOptions,
  DiTConfig,
  DiTSettings,
  ImageDataset
> = {
  family: ditFamily,
  shipped: { name: "shipped:fashion", folder: "data/samples/fashion" },
  prepare: (_, values) => withObjective(values),
  foresee(base, values) {
    if (values.imageSize === undefined) return;
    const overrides = { inputSize: values.imageSize, ...ditFields.overrides(base, values) };
    overrideDiTConfig(base, overrides, "the model");
  },
  async open(place, { imageSize, channels }, _, events) {
    if (await isLatentCache(place)) return await openLatentCache(place);
    asUsage(() => checkChannels(channels));
    return await openDataset(place, { imageSize, channels, ...events });
  },
  async reopen(place, { config, run, classNames }, events) {
    if (await isLatentCache(place)) return await openLatentCache(place);
    requirePixels(place, run);
    const { inputSize: imageSize, channels } = config;
    return await openDataset(place, { imageSize, channels, classNames, ...events });
  },
  configure(base, data, values) {
    const overrides = ditFields.overrides(base, values);
    const isFlow = objectiveOf(values, overrides.hidden ?? base.hidden) === "flow";
    // A flow has no variance; a file that says otherwise, such as SiT's, has a reason.
    const learnSigma = isFlow && values.config === undefined ? false : undefined;
    return configForDataset(base, data, { ...overrides, learnSigma });
  },
  learningRate: usualRate,
  batch: ({ batchSize: size }) => ({ size, what: `the batch of ${size}` }),
  settings: ({ values }, { hidden }, common, data) => ({
    ...common,
    batchSize: values.batchSize,
    labelDropout: values.labelDropout,
    objective: objectiveOf(values, hidden),
    ...(values.lossWeight !== "uniform" && { lossWeight: values.lossWeight }),
    ...(isLatentDataset(data) && { latents: data.latents }),
  }),
  check(config, settings, data) {
    checkPictures(settings, data);
    requireFittingPictures(config, data);
    checkObjective(settings);
  },
  difference: latentDifference,
  stepsPerEpoch: (data, _, { batchSize }) => data.length / batchSize,
  samples({ values, given }, { channels }, before, { latents }) {
    const samples = sampleSchedule(values, given, before);
    if (samples === undefined || latents || channels === 1 || channels === 3) return samples;
    throw new UsageError(
      `--sample-every draws pictures of 1 or 3 channels, the model has ${channels}`,
    );
  },
  warnings: (_, __, data) => oneClassWarning(data),
  describeBatch: ({ batchSize }) => `batch ${batchSize}`,
  columns: () => ({}),
  next: (plan) => ({
    what: "draw pictures with",
    command: (folder) => ["sample dit --ckpt", folder, ...gridFlags(plan)].join(" "),
  }),
  describePlan({ description: { config, run }, steps }, data) {
    const { tokens, multiplyAdds } = describeDiT(config);
    const batches = data.length / run.batchSize;
    return [
      ["objective", run.objective ?? "noise"],
      ["tokens", `${tokens}`],
      ["multiply-adds", `${formatCount(multiplyAdds)} a picture, forward`],
      ["batch", `${run.batchSize} pictures${inParts(run.accumulate)}`],
      ["epoch", `${batches.toFixed(1)} batches, ${formatCount(data.length)} pictures`],
      ["steps", `${steps}, ${(steps / batches).toFixed(1)} epochs`],
    ];
  },
  samplerPrograms(config, schedule, run) {
    const { network, settings } = ditSampling(config, runSampling({ config, run }, schedule));
    const decoder = run.latents ? [decoderProgram(config, run.latents)] : [];
    return [...Object.values(samplingPrograms(network, settings, run)), ...decoder];
  },
  evaluation: {
    schedule({ evalEvery, features: given }, { latents }, before) {
      const every = evalEvery ?? before?.every ?? 0;
      if (every === 0) return undefined;
      const features = given === undefined ? before?.features : resolve(given);
      if (features === undefined) throw new UsageError("--eval-every needs --features");
      if (!latents) return { every, features };
      throw new UsageError(
        "--eval-every compares pictures, the run is on latents; eval dit decodes them",
      );
    },
    open: async (place, { config: { inputSize: imageSize, channels }, classNames }, events) =>
      await openDataset(place, { imageSize, channels, classNames, ...events }),
    describe: ({ evalFid, evalFrechetDistance, evalPictures }) =>
      `${evalFid === undefined ? "Frechet distance of features" : "FID"} ` +
      `${(evalFid ?? evalFrechetDistance).toPrecision(4)}, ${evalPictures} pictures`,
  },
  train: (device, data, plan, events, heldOut) =>
    trainDiT(
      device,
      data,
      plan,
      events,
      () => openRunDecoder(device, plan.description),
      heldOut && {
        real: heldOut,
        openExtractor: () => openExtractor(device, plan.evaluations?.features, featureBatch),
      },
    ),
};
