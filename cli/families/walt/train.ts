/**
 * `tessera train walt`: what is W.A.L.T's own of it.
 *
 * @module
 */
import { describeClip } from "../../../data/clips/clip_report.ts";
import { isLatentCache, type LatentSettings } from "../../../data/latents/cache.ts";
import { isLatentDataset, openLatentCache } from "../../../data/latents/dataset.ts";
import { samplerPrograms } from "../../../diffusion/sampler_loop.ts";
import { graphCost, makeGraph } from "../../../kernels/graph/graph.ts";
import { waltFamily } from "../../../models/walt/family.ts";
import { waltTokens } from "../../../models/walt/graph.ts";
import type { WaltConfig } from "../../../models/walt/model.ts";
import { configForClips, requireFittingClips, trainWalt } from "../../../models/walt/run.ts";
import { runSampling } from "../../../models/walt/run_clips.ts";
import type { WaltSettings } from "../../../models/walt/settings.ts";
import { traceClips } from "../../../models/walt/workload.ts";
import { clipDataFlags } from "../../flags/clip_data_flags.ts";
import { sampleSchedule } from "../../flags/train_settings.ts";
import { describeClips, previewClips } from "../../runs/clip_data.ts";
import {
  checkLatents,
  latentDifference,
  requireNoReading,
  requirePixels,
} from "../../runs/latent_data.ts";
import { UsageError } from "../../terminal/errors.ts";
import { formatCount, inParts } from "../../terminal/numbers.ts";
import type { TrainingCommand } from "../training.ts";
import { openPixels, reopenPixels, shipped } from "./clips.ts";
import {
  checkTold,
  requireCache,
  requireClips,
  requireText,
  toldBy,
  type WaltData,
  withConditions,
} from "./conditions.ts";
import { decoderProgram, openClipDecoder } from "./decoder.ts";
import { encodeFirst, plannedTokens } from "./encode_first.ts";
import { waltFields } from "./model_flags.ts";
import { trainWaltFlags, type TrainWaltOptions } from "./train_flags.ts";

/** Pixels of a patch, where flags do not say: as many as a position of a latent stands for. */
const usualPatch = 4;

function multiplyAddsOf(config: WaltConfig): number {
  const { out } = traceClips(config, { batch: 1, tokens: waltTokens(config) });
  return graphCost(makeGraph("forward", { outputs: { out } })).multiplyAdds;
}

/** Training of W.A.L.T's denoiser. */
export const waltTraining: TrainingCommand<TrainWaltOptions, WaltConfig, WaltSettings, WaltData> = {
  family: waltFamily,
  shipped,
  foresee: requireText,
  prepare: encodeFirst,
  async open(place, values, _, events) {
    if (values.tokenizer !== undefined) {
      const { clips, lowResolution } = await plannedTokens(values, events);
      return { ...await withConditions(clips, values.embeddings, undefined), lowResolution };
    }
    if (await isLatentCache(place)) {
      requireCache(values);
      const { embeddings, lowResolution } = values;
      return await withConditions(await openLatentCache(place), embeddings, lowResolution);
    }
    requireClips(values);
    const clips = await openPixels(place, values, values, events);
    if (values.previewData !== undefined) await previewClips(clips, values.previewData);
    return await withConditions(clips, values.embeddings, undefined);
  },
  async reopen(place, description, events) {
    const { text, lowResolution, ...run } = description.run;
    const isCache = await isLatentCache(place);
    if (!isCache) requirePixels(place, run);
    const clips = isCache
      ? await openLatentCache(place)
      : await reopenPixels(place, description, events);
    return await withConditions(clips, text?.path, lowResolution?.cache?.path);
  },
  configure: (base, data, values) =>
    configForClips(
      {
        ...base,
        framePrediction: values.framePrediction > 0,
        textWidth: base.textWidth ?? data.captions?.features.width ?? null,
        lowResolution: base.lowResolution || values.superResolution ||
          values.lowResolution !== undefined,
      },
      data,
      {
        patch: isLatentDataset(data) ? undefined : usualPatch,
        ...definedFields(waltFields.overrides(base, values)),
      },
    ),
  learningRate: ({ hidden }) => hidden < 384 ? 1e-3 : 5e-4,
  batch: ({ batchSize: size }) => ({ size, what: `the batch of ${size}` }),
  settings({ values, given }, config, common, data) {
    checkReading(data, given);
    const { fps, stride, hop, folderFps, crop } = values;
    return {
      ...common,
      batchSize: values.batchSize,
      labelDropout: config.nullClass || config.textWidth !== null ? values.labelDropout : 0,
      selfConditioning: values.selfConditioning,
      framePrediction: values.framePrediction,
      imageShare: values.imageShare,
      ...(values.schedule === "linear" && { schedule: values.schedule }),
      ...(isLatentDataset(data)
        ? { latents: values.rawLatents ? withoutNormalization(data.latents) : data.latents }
        : { cuts: { fps, stride, hop, folderFps, crop } }),
      ...toldBy(values, config, data),
    };
  },
  check(config, settings, data) {
    checkLatents(settings, data);
    requireFittingClips(config, data);
    checkTold(config, settings, data);
    if (settings.imageShare === 0 || config.latentFrames > 1) return;
    throw new UsageError("--image-share is for clips; what has one frame is a picture already");
  },
  difference: latentDifference,
  stepsPerEpoch: (data, _, { batchSize }) => data.length / batchSize,
  samples({ values, given }, { latentChannels }, before, { latents }) {
    const samples = sampleSchedule(values, given, before);
    if (samples === undefined || latents || latentChannels === 1 || latentChannels === 3) {
      return samples;
    }
    throw new UsageError(
      `--sample-every draws clips of 1 or 3 channels, the model has ${latentChannels}`,
    );
  },
  warnings: (_, __, data) => isLatentDataset(data) ? [] : describeClips(data),
  reportData: (data) => isLatentDataset(data) ? [] : data.report.map(describeClip),
  describeBatch: ({ batchSize }) => `batch ${batchSize}`,
  columns: () => ({}),
  next: () => ({
    what: "look into it with",
    command: (folder) => `info checkpoint ${folder}`,
  }),
  describePlan({ description: { config, run }, steps }, data) {
    const batches = data.length / run.batchSize;
    return [
      ["tokens", `${waltTokens(config)}`],
      ["multiply-adds", `${formatCount(multiplyAddsOf(config))} a clip, forward`],
      ["batch", `${run.batchSize} clips${inParts(run.accumulate)}`],
      ["epoch", `${batches.toFixed(1)} batches, ${formatCount(data.length)} clips`],
      ["steps", `${steps}, ${(steps / batches).toFixed(1)} epochs`],
    ];
  },
  samplerPrograms: (config, schedule, run) => [
    ...Object.values(samplerPrograms(runSampling({ config, run }, schedule), run)),
    ...run.latents ? [decoderProgram(config, run.latents)] : [],
  ],
  async train(device, data, plan, events) {
    try {
      const { config, run: { latents } } = plan.description;
      const wayOut = "which draws the samples; --sample-every 0 draws none";
      return await trainWalt(
        device,
        data,
        plan,
        events,
        async () => latents && await openClipDecoder(device, config, latents, undefined, wayOut),
      );
    } finally {
      data.captions?.features[Symbol.dispose]();
      if (!isLatentDataset(data)) data.close();
    }
  },
};

/** Refuses flags of clips for a cache, unless this command has made it, and those of a cache for clips. */
function checkReading(data: WaltData, given: ReadonlySet<string>): void {
  if (isLatentDataset(data)) {
    const reading = given.has("tokenizer") ? [] : Object.keys(clipDataFlags);
    return requireNoReading(data.name, trainWaltFlags, given, reading);
  }
  if (given.has("rawLatents")) throw new UsageError(`--raw-latents: ${data.name} has pixels`);
}

/** Latents as a tokenizer makes them. */
const withoutNormalization = (latents: LatentSettings): LatentSettings => ({
  ...latents,
  shift: latents.shift.map(() => 0),
  scale: latents.scale.map(() => 1),
});

function definedFields(fields: Partial<WaltConfig>): Partial<WaltConfig> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
