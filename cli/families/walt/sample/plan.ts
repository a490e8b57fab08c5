/**
 * Which clips `tessera sample walt` draws, how many, how long, and under which conditions.
 *
 * @module
 */
import { InputError } from "../../../../base/errors.ts";
import { openTextFeatures, type TextFeatures } from "../../../../data/text_features.ts";
import {
  type GuidanceSchedule,
  type GuidanceWeight,
  guidanceWeight,
} from "../../../../diffusion/guidance.ts";
import { numberedClasses } from "../../../../models/classes.ts";
import type { ClipCodec } from "../../../../models/clip_codec.ts";
import { clipSize, type CodecGrid } from "../../../../models/codec.ts";
import type { ClipConditions } from "../../../../models/walt/clip_conditions.ts";
import {
  continuations,
  framesBehind,
  givenFrames,
  givenFrom,
  latentClip,
} from "../../../../models/walt/draw_clips.ts";
import type { WaltConfig } from "../../../../models/walt/model.ts";
import type { WaltSource } from "../../../../models/walt/source.ts";
import { guidanceSchedule } from "../../../flags/guidance_flags.ts";
import { asUsage, UsageError } from "../../../terminal/errors.ts";
import { chooseLabels, type ModelClasses } from "../../classes.ts";
import { NoiseFile } from "../../sampling.ts";
import { readFirstFrames, readPicture } from "./given_frames.ts";
import type { SampleWaltOptions } from "./flags.ts";
import { type DrawnModel, gridOf } from "./model.ts";

/** What is drawn. Close it after use. */
export interface SamplePlan extends Disposable {
  /** Clips. */
  readonly count: number;
  /** Class of each; absent for models without classes. */
  readonly labels?: readonly number[];
  /** Caption of each, for models with text. */
  readonly captions?: readonly string[];
  /** Features of the captions. */
  readonly features?: TextFeatures;
  /** What clips are told, given frames excepted. */
  readonly conditions: ClipConditions;
  /** Start noise that was made elsewhere. */
  readonly noise?: NoiseFile;
  /** Frames of a clip. */
  readonly frames: number;
  /** How often a clip is continued until it has so many. */
  readonly continuations: number;
  /** Frames a second. */
  readonly fps: number;
  /** Scale of guidance; 1: off. */
  readonly cfgScale: number;
  /** How it goes along the steps. */
  readonly schedule: GuidanceSchedule;
  /** Guidance; absent when it is off. */
  readonly guidance?: GuidanceWeight;
}

/** Frames a second where nothing says how many. */
const usualRate = 8;

/** Clips where there are neither classes nor captions. */
const usualCount = 4;

/** Strength of guidance where flags do not say. */
const usualGuidance = 2;

/** The classes of a model. */
export const classesOf = ({ config: { classes }, manifest }: WaltSource): ModelClasses => ({
  classes: classes ?? 0,
  classNames: manifest?.classNames ?? numberedClasses(classes ?? 0),
});

/** Reads what flags say of the clips, and refuses what the model cannot do. */
export async function planSamples(
  model: DrawnModel,
  values: SampleWaltOptions,
): Promise<SamplePlan> {
  const { source, config } = model;
  checkConditions(model, values);
  const schedule = guidanceSchedule(values);
  using opened = new DisposableStack();
  const features = values.embeddings === undefined
    ? undefined
    : opened.use(await openFeatures(values.embeddings, config));
  const grid = gridOf(model);
  const times = asUsage(() => continuationsOf(model, grid, values));
  const noise = values.noise === undefined
    ? undefined
    : opened.use(await openNoise(values.noise, config));
  const asked = noise?.count ?? values.count;
  const labels = config.classes === null
    ? undefined
    : asUsage(() => chooseLabels(classesOf(source), values.classes, asked));
  const count = labels?.length ?? asked ?? features?.names.length ?? usualCount;
  const cfgScale = guidanceOf(model, values);
  const kept = opened.move();
  return {
    ...{ count, labels, features, noise, cfgScale, continuations: times },
    captions: features &&
      Array.from({ length: count }, (_, clip) => features.names[clip % features.names.length]),
    conditions: {
      label: labels && ((clip) => labels[clip]),
      caption: features && captionOf(features),
    },
    frames: values.length ?? framesBehind(grid, config.latentFrames),
    fps: values.fps ?? rateOf(source) ?? usualRate,
    schedule,
    guidance: cfgScale === 1 ? undefined : guidanceWeight(cfgScale, schedule),
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** Frames a second of the clips that a model was trained on, if its run knows them. */
const rateOf = ({ manifest }: WaltSource): number | undefined =>
  manifest?.run.latents?.fps ?? manifest?.run.cuts?.fps;

/** Refuses what a model is not told, and the lack of what it must be told. */
function checkConditions(
  { source: { path }, config }: DrawnModel,
  { classes, embeddings, image, framesFrom }: SampleWaltOptions,
): void {
  if (config.lowResolution) {
    throw new UsageError(`${path} enlarges clips: give it as --sr, and as --ckpt what draws them`);
  }
  if (config.classes === null && classes !== undefined) {
    throw new UsageError(`--classes: ${path} has no classes`);
  }
  if (config.textWidth === null && embeddings !== undefined) {
    throw new UsageError(`--embeddings: ${path} is not told text`);
  }
  if (config.textWidth !== null && embeddings === undefined) {
    throw new UsageError(
      `${path} is told captions: --embeddings names a file of their features`,
    );
  }
  if (image === undefined && framesFrom === undefined) return;
  requirePrediction(path, config, image === undefined ? "--frames-from" : "--image");
}

/** Requires that a model goes on from given frames. */
function requirePrediction(
  path: string,
  { framePrediction, latentFrames }: WaltConfig,
  flag: string,
): void {
  if (!framePrediction) {
    throw new UsageError(
      `${flag}: ${path} has not learned to go on from given frames, as train walt ` +
        "--frame-prediction teaches",
    );
  }
  const given = flag === "--image" ? givenFrames.picture : givenFrames.clip;
  if (latentFrames > given) return;
  throw new UsageError(`${flag}: ${path} draws ${latentFrames} latent frames, all of them given`);
}

function continuationsOf(
  { source: { path }, config }: DrawnModel,
  grid: CodecGrid,
  { length }: SampleWaltOptions,
): number {
  if (length === undefined) return 0;
  const times = continuations(config, grid, length);
  if (times > 0) requirePrediction(path, config, "--length");
  return times;
}

async function openFeatures(path: string, { textWidth }: WaltConfig): Promise<TextFeatures> {
  const features = await openTextFeatures(path);
  if (features.width === textWidth) return features;
  features[Symbol.dispose]();
  throw new InputError(
    `${path}: words have ${features.width} features, the model is told ${textWidth}`,
  );
}

async function openNoise(
  path: string,
  { latentChannels, latentFrames, latentSize }: WaltConfig,
): Promise<NoiseFile> {
  return await NoiseFile.open(path, [latentChannels, latentFrames, ...latentSize], "clip");
}

/** Captions in turn. */
function captionOf(features: TextFeatures): NonNullable<ClipConditions["caption"]> {
  const { words, width, names } = features;
  const row = (clip: number): number => clip % names.length;
  const [text, mask] = [new Float32Array(words * width), new Int32Array(words)];
  return {
    words,
    text: (clip, out) => features.read(row(clip), out, mask),
    mask: (clip, out) => features.read(row(clip), text, out),
  };
}

/**
 * Scale of guidance: that of the flag, or the usual one for models that can do without their conditions.
 *
 * @throws UsageError for a model that cannot
 */
function guidanceOf(
  { source: { path }, config: { classes, nullClass, textWidth } }: DrawnModel,
  { cfgScale, image, framesFrom }: SampleWaltOptions,
): number {
  const hasFrames = image !== undefined || framesFrom !== undefined;
  const canBeGuided = classes === null ? textWidth !== null || hasFrames : nullClass;
  if (canBeGuided) return cfgScale ?? usualGuidance;
  if (cfgScale === undefined || cfgScale === 1) return 1;
  const missing = classes === null ? "nothing to be guided by" : "no null class to be guided by";
  throw new UsageError(`--cfg-scale: ${path} has ${missing}; 1 is off`);
}

/** The frames that all clips begin with, encoded. */
export async function givenConditions(
  config: WaltConfig,
  codec: ClipCodec,
  { fps }: SamplePlan,
  values: SampleWaltOptions,
): Promise<ClipConditions["given"]> {
  const { image, framesFrom } = values;
  if (image === undefined && framesFrom === undefined) return undefined;
  const latentFrames = image === undefined ? givenFrames.clip : givenFrames.picture;
  const size = clipSize(codec.grid, { ...latentClip(config), frames: latentFrames });
  const pixels = image === undefined
    ? await readFirstFrames(framesFrom!, size, codec.colours, fps)
    : await readPicture(image, size, codec.colours);
  const latents = await codec.encode(pixels, size);
  return givenFrom(config, latents, latentFrames, () => 0);
}
