/**
 * What W.A.L.T's denoiser is trained on: noise, what it is told, network and losses of a batch.
 *
 * @module
 */
import type { LatentSettings } from "../../data/latents/cache.ts";
import { trainingLatents } from "../../diffusion/latents.ts";
import {
  type LevelSchedule,
  noiseLevels,
  trainingSteps,
  zeroTerminalLevels,
} from "../../diffusion/schedule.ts";
import { streams } from "../../diffusion/streams.ts";
import { levelsAt, noisedBy, velocityLosses } from "../../diffusion/velocity.ts";
import { binary, constant, type Expression, select, unary } from "../../kernels/expression.ts";
import { map } from "../../kernels/ops/elementwise/op.ts";
import { reshape, slice } from "../../kernels/ops/movement/op.ts";
import { randomNormal, type RandomSource, randomUniform } from "../../kernels/ops/random/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import { constantTensor, input, type Tensor } from "../../kernels/tensor.ts";
import { lookup, parameterStates } from "../../nn/parameters.ts";
import {
  type StepGraphs,
  type StepLosses,
  stepOf,
  type StepSettings,
} from "../../training/step/step_graphs.ts";
import { walt, type WaltConfig, waltParameters } from "./model.ts";

/** Settings that shape the graph. */
export interface WaltStepSettings extends StepSettings {
  /** Clips a step. */
  readonly batchSize: number;
  /** Probability that an element is told neither class, where the model has a null class, nor text. */
  readonly labelDropout: number;
  /** Probability that the network is shown an estimate of its own. */
  readonly selfConditioning: number;
  /** Probability that the first latent frame, or the first two, are given. */
  readonly framePrediction: number;
  /** Probability that an element is a stack of pictures, with a label for each, and not a clip. */
  readonly imageShare: number;
  /** How much noise a time step means; `zero-terminal` when absent. */
  readonly schedule?: LevelSchedule;
  /** What clips are, where they are latents of a cache: `images` then holds what is stored of them. */
  readonly latents?: LatentSettings;
  /** The captions of the clips, where the model is told text. */
  readonly text?: TextSettings;
  /** What is enlarged, where the model does that. */
  readonly lowResolution?: LowResolutionSettings;
}

/** What a run keeps of the features of its captions. */
export interface TextSettings {
  /** The file. */
  readonly path: string;
  /** Identifies its contents. */
  readonly fingerprint: string;
  /** Most words M of a caption. */
  readonly words: number;
}

/** What a model that enlarges is given. */
export interface LowResolutionSettings {
  /** Highest level of the noise that is added to it, a time step 0 .. 999. */
  readonly maxNoise: number;
  /** The cache that holds it; absent: means of 2 x 2 pixels of the clips. */
  readonly cache?: LowResolutionCache;
}

/** What a run keeps of the cache of latents of half the height and width. */
export interface LowResolutionCache {
  /** The folder. */
  readonly path: string;
  /** Identifies its contents. */
  readonly fingerprint: string;
  /** What its latents are. */
  readonly latents: LatentSettings;
}

/** A batch with its randomness; what a model does not take is absent. */
export interface WaltSamples {
  /** Clean latents (N, c, F, h, w). */
  readonly clean: Tensor;
  /** Standard normal (N, c, F, h, w). */
  readonly noise: Tensor;
  /** i32 (N), each 0 .. 999 */
  readonly t: Tensor;
  /** Labels, i32 (N, G), with dropout applied. */
  readonly y?: Tensor;
  /** i32 (N): 1 where the network is shown an estimate of its own. */
  readonly usesEstimate?: Tensor;
  /** i32 (N, F): 1 for frames whose clean latents are given. */
  readonly frameMask?: Tensor;
  /** i32 (N): 1 for stacks of pictures. */
  readonly isImage?: Tensor;
  /** Features of captions (N, G, M, textWidth). */
  readonly text?: Tensor;
  /** Their words, i32 (N, G, M), with dropout applied. */
  readonly textMask?: Tensor;
  /** Latents (N, c, F, h / 2, w / 2), with noise in them. */
  readonly lowResolution?: Tensor;
  /** The level of that noise, i32 (N). */
  readonly noiseLevel?: Tensor;
}

/**
 * The graphs of a step, whole or in parts.
 *
 * Inputs: `images` (N, c, F, h, w), the clean latents or what a cache stores of them, for models with
 * classes `labels` i32 (N, G), in joint training `isImage` i32 (N), for models with text `text`
 * (N, G, M, textWidth) and `textMask` i32 (N, G, M), for those that enlarge latents of a cache
 * `lowResolution` (N, c, F, h / 2, w / 2), `samples` i32 (N: the number of each element in the endless stream
 * of training clips, which all randomness is drawn from), `seed` i32 (2), `schedule` (8). States: the
 * parameters, their moments and averages, `sums`. In joint training G is the number of latent frames, else 1.
 */
export function waltTrainingGraphs(config: WaltConfig, settings: WaltStepSettings): StepGraphs {
  return stepOf(
    settings.batchSize,
    settings,
    (batchSize) =>
      waltLosses(config, drawSamples(config, { ...settings, batchSize }), settings.schedule),
  );
}

/** The losses of a batch: over all frames, those that are given included. */
export function waltLosses(
  config: WaltConfig,
  samples: WaltSamples,
  schedule: LevelSchedule = "zero-terminal",
): StepLosses {
  const specifications = waltParameters(config);
  const states = parameterStates(specifications);
  const parameters = lookup(states);
  const { clean, y, frameMask, isImage, text, textMask, lowResolution, noiseLevel } = samples;
  const told = {
    ...{ y, isImage, frameMask, frameCondition: frameMask && clean },
    ...{ text, textMask, lowResolution, noiseLevel },
  };
  const { loss } = velocityLosses(
    (x, t, selfCondition) => walt(config, parameters, { x, t, selfCondition, ...told }),
    noiseLevels(schedule),
    samples,
  );
  return { specifications, states, loss: mean(loss), terms: {} };
}

/** Draws time steps, noise and what the network is told from the numbers of the samples. */
export function drawSamples(config: WaltConfig, settings: WaltStepSettings): WaltSamples {
  const { batchSize, labelDropout, selfConditioning, framePrediction, imageShare, latents } =
    settings;
  const { latentChannels, latentFrames, latentSize, classes, nullClass } = config;
  const images = input("images", [
    batchSize,
    storedOf(latents, latentChannels),
    latentFrames,
    ...latentSize,
  ]);
  const source = {
    seed: input("seed", [2], "i32"),
    rows: input("samples", [batchSize], "i32"),
    draw: constantTensor(Int32Array.of(0), []),
  };
  const isImage = imageShare > 0 ? input("isImage", [batchSize], "i32") : undefined;
  const clean = latents ? trainingLatents(images, latents, source) : images;
  const uniform = (stream: number, count = 1): Tensor =>
    randomUniform({ ...source, stream }, [batchSize, count]);
  const single = (stream: number): Tensor => reshape(uniform(stream), [batchSize]);
  const groups = isImage ? latentFrames : 1;
  return {
    clean,
    noise: randomNormal({ ...source, stream: streams.noise }, clean.shape),
    t: map(
      (u) => unary("toInt", binary("multiply", u, constant(trainingSteps))),
      single(streams.timestep),
    ),
    y: classes === null ? undefined : map(
      (u, label) =>
        nullClass ? select(happens(u, labelDropout), constant(classes, "i32"), label) : label,
      uniform(streams.labelDropout),
      input("labels", [batchSize, groups], "i32"),
    ),
    usesEstimate: config.selfConditioning && selfConditioning > 0
      ? map((u) => asInteger(happens(u, selfConditioning)), single(streams.selfConditioning))
      : undefined,
    frameMask: config.framePrediction
      ? givenFrames(
        uniform(streams.framePrediction, 2),
        framePrediction,
        latentFrames,
        isImage ?? constantTensor(new Int32Array(batchSize), [batchSize]),
      )
      : undefined,
    isImage,
    ...drawText(config, settings, groups, uniform(streams.labelDropout)),
    ...drawLowResolution(config, settings, clean, source),
  };
}

/** Channels of what is stored of a latent. */
const storedOf = (latents: LatentSettings | undefined, channels: number): number =>
  latents?.posterior ? 2 * channels : channels;

/**
 * Captions, some of them left out.
 *
 * @param u uniform deviates (N, 1): those that decide about the label too, as guidance compares with neither
 */
function drawText(
  { textWidth }: WaltConfig,
  { batchSize, labelDropout, text }: WaltStepSettings,
  groups: number,
  u: Tensor,
): Pick<WaltSamples, "text" | "textMask"> {
  if (textWidth === null || !text) return {};
  const shape = [batchSize, groups, text.words];
  return {
    text: input("text", [...shape, textWidth]),
    textMask: map(
      (u, word) => select(happens(u, labelDropout), constant(0, "i32"), word),
      reshape(u, [batchSize, 1, 1]),
      input("textMask", shape, "i32"),
    ),
  };
}

/**
 * The low resolution with noise in it, whose level the network is told (W.A.L.T's noise-conditioning
 * augmentation): what is drawn by the stage before is not as clean as what this one is trained on.
 */
function drawLowResolution(
  { latentChannels, latentFrames, latentSize: [height, width] }: WaltConfig,
  { batchSize, lowResolution }: WaltStepSettings,
  clean: Tensor,
  source: Omit<RandomSource, "stream">,
): Pick<WaltSamples, "lowResolution" | "noiseLevel"> {
  if (!lowResolution) return {};
  const { maxNoise, cache } = lowResolution;
  const half = [latentFrames, height / 2, width / 2];
  const channels = storedOf(cache?.latents, latentChannels);
  // Posteriors of both sizes are drawn from one stream: the second draw is of other numbers.
  const second = { ...source, draw: constantTensor(Int32Array.of(1), []) };
  const small = cache
    ? trainingLatents(input("lowResolution", [batchSize, channels, ...half]), cache.latents, second)
    : mean(
      reshape(clean, [batchSize, latentChannels, latentFrames, height / 2, 2, width / 2, 2]),
      [4, 6],
    );
  const shape = [batchSize, latentChannels, ...half];
  const noise = randomNormal({ ...source, stream: streams.lowResolutionNoise }, shape);
  const noiseLevel = map(
    (u) => unary("toInt", binary("multiply", u, constant(maxNoise + 1))),
    reshape(randomUniform({ ...source, stream: streams.noiseLevel }, [batchSize, 1]), [batchSize]),
  );
  const at = levelsAt(zeroTerminalLevels(), noiseLevel, shape.length);
  return { lowResolution: noisedBy(reshape(small, shape), noise, at), noiseLevel };
}

const happens = (u: Expression, probability: number): Expression =>
  binary("less", u, constant(probability));

const asInteger = (condition: Expression): Expression =>
  select(condition, constant(1, "i32"), constant(0, "i32"));

/**
 * Which frames are given, i32 (N, F): none, or of clips with a probability the first or, as often, the
 * first two.
 *
 * @param u uniform deviates (N, 2): whether, and how many
 * @param isImage i32 (N): 1 for stacks of pictures
 */
function givenFrames(u: Tensor, probability: number, frames: number, isImage: Tensor): Tensor {
  const numbers = constantTensor(Int32Array.from({ length: frames }, (_, frame) => frame), [
    1,
    frames,
  ]);
  const [whether, howMany] = [0, 1].map((column) => slice(u, 1, column, 1));
  const none = constant(0, "i32");
  return map(
    (first, second, image, frame) => {
      const count = select(happens(second, 0.5), constant(1, "i32"), constant(2, "i32"));
      const given = select(happens(first, probability), count, none);
      const ofClips = select(binary("equal", image, none), given, none);
      return asInteger(binary("less", frame, ofClips));
    },
    whether,
    howMany,
    reshape(isImage, [-1, 1]),
    numbers,
  );
}
