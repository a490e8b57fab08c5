/**
 * `tessera train vae`: what is an autoencoder's own of it.
 *
 * @module
 */
import type { ImageDataset } from "../../../data/dataset.ts";
import { checkChannels, openDataset } from "../../../data/open.ts";
import { overrideAutoencoderKLConfig } from "../../../models/autoencoder_kl/config.ts";
import type { Split } from "../../../data/sources/idx.ts";
import { graphCost, makeGraph } from "../../../kernels/graph/graph.ts";
import { paperDiscriminator } from "../../../models/adversarial/discriminator.ts";
import { autoencoderKLFamily } from "../../../models/autoencoder_kl/family.ts";
import { autoencoderKLSample, traceAutoencoderKL } from "../../../models/autoencoder_kl/graph.ts";
import { type AutoencoderKLConfig, spatialFactor } from "../../../models/autoencoder_kl/model.ts";
import {
  checkPictures,
  configForPictures,
  trainAutoencoderKL,
} from "../../../models/autoencoder_kl/run.ts";
import { autoencoderReconstructions } from "../../../models/autoencoder_kl/run_reconstructions.ts";
import type {
  AutoencoderKLRun,
  AutoencoderKLSettings,
} from "../../../models/autoencoder_kl/settings.ts";
import { autoencoderKLCompanions } from "../../../models/autoencoder_kl/step.ts";
import { checkPerceptual } from "../../../models/perceptual/loss.ts";
import { countParameters } from "../../../nn/parameters.ts";
import { asUsage, UsageError } from "../../terminal/errors.ts";
import { formatCount, inParts } from "../../terminal/numbers.ts";
import { fixed } from "../../terminal/progress.ts";
import { perceptualOf } from "../perceptual.ts";
import { reconstructionEvaluation } from "../reconstruction_evaluation.ts";
import type { OpeningEvents, TrainingCommand } from "../training.ts";
import { autoencoderKLFields } from "./model_flags.ts";
import type { TrainVaeOptions } from "./train_flags.ts";

/** Multiply-adds of encoder and decoder for a picture of a side. */
function multiplyAddsOf(config: AutoencoderKLConfig, side: number): number {
  const { clip } = autoencoderKLSample(config, { side });
  const { out } = traceAutoencoderKL(config, { batch: 1, clip });
  return graphCost(makeGraph("forward", { outputs: { out } })).multiplyAdds;
}

/** The pictures that come with the tool: how manifests name them, and where they lie. */
export const shippedPictures = { name: "shipped:fashion", folder: "data/samples/fashion" } as const;

/** Of AdamW beside a discriminator, as those of the published autoencoders were. */
const adversarialBetas: AutoencoderKLSettings["betas"] = [0.5, 0.9];

/** What the autoencoder is trained against. */
function adversaryOf(
  { discriminatorChannels, adversarialWeight: adversarial, r1Cost: r1, lecamWeight: lecam }:
    TrainVaeOptions,
  { blockOutChannels: [first] }: AutoencoderKLConfig,
): AutoencoderKLSettings["adversary"] {
  const baseChannels = discriminatorChannels ?? Math.ceil(first / 2);
  return {
    discriminator: { ...paperDiscriminator, baseChannels },
    weights: { adversarial, r1, lecam },
  };
}

/** Opens a part of the pictures of a run. */
const openPart = async (
  place: string,
  { config: { channels }, run: { imageSize }, classNames }: AutoencoderKLRun,
  events: OpeningEvents,
  split: Split,
): Promise<ImageDataset> =>
  await openDataset(place, { imageSize, channels, classNames, split, ...events });

/** Training of an autoencoder. */
export const autoencoderKLTraining: TrainingCommand<
  TrainVaeOptions,
  AutoencoderKLConfig,
  AutoencoderKLSettings,
  ImageDataset
> = {
  family: autoencoderKLFamily,
  shipped: shippedPictures,
  foresee(base, values) {
    const config = overrideAutoencoderKLConfig(
      base,
      autoencoderKLFields.overrides(base, values),
      "the model",
    );
    const { imageSize: side } = values;
    if (side === undefined) return;
    checkPictures(config, { ...config, height: side, width: side, name: "--image-size" });
  },
  async open(place, { imageSize, channels }, _, events) {
    asUsage(() => checkChannels(channels));
    return await openDataset(place, { imageSize, channels, ...events });
  },
  reopen: (place, description, events) => openPart(place, description, events, "train"),
  evaluation: reconstructionEvaluation(
    (place, description, events) => openPart(place, description, events, "test"),
    (config, { imageSize }) => autoencoderReconstructions(config, imageSize).program,
  ),
  configure: (base, data, values) =>
    configForPictures(base, data, autoencoderKLFields.overrides(base, values)),
  learningRate: ({ blockOutChannels }) => blockOutChannels[0] < 128 ? 1e-3 : 1e-4,
  batch: ({ batchSize: size }) => ({ size, what: `the batch of ${size}` }),
  async settings({ values }, config, common, data) {
    const network = await perceptualOf(values);
    return {
      ...common,
      batchSize: values.batchSize,
      imageSize: data.width,
      klWeight: values.klWeight,
      ...(values.adversarialWeight > 0 && {
        betas: adversarialBetas,
        adversary: adversaryOf(values, config),
      }),
      ...(network && { perceptual: { network, weight: values.perceptualWeight } }),
    };
  },
  check({ channels }, { accumulate = 1, adversary, perceptual, imageSize: side }) {
    if (perceptual) {
      checkPerceptual(perceptual.network, { frames: 1, height: side, width: side, channels });
    }
    if (accumulate === 1 || !adversary) return;
    throw new UsageError(
      "--accumulate: the discriminator's means are those of whole batches; give a smaller " +
        "--batch-size, or --adversarial-weight 0",
    );
  },
  stepsPerEpoch: (data, _, { batchSize }) => data.length / batchSize,
  samples({ values: { sampleEvery } }, _, before) {
    const every = sampleEvery ?? before?.every ?? 0;
    return every === 0 ? undefined : { every, steps: 1 };
  },
  describeBatch: ({ batchSize, imageSize }) => `batch ${batchSize} of ${imageSize} x ${imageSize}`,
  columns: ({ adversary, perceptual }) => ({
    meanSquaredError: fixed("mse", 4),
    klDivergence: fixed("kl", 3),
    ...(perceptual && { perceptual: fixed("perceptual", 4) }),
    ...(adversary && {
      adversarial: fixed("adversarial", 3),
      discriminating: fixed("discriminator", 3),
    }),
  }),
  next: () => ({
    what: "encode pictures for train dit with",
    command: (folder) => `encode --ckpt ${folder} --out latents`,
  }),
  describePlan({ description: { config, run }, steps }, data) {
    const { imageSize, batchSize } = run;
    const batches = data.length / batchSize;
    const side = imageSize / spatialFactor(config);
    const judge = countParameters(autoencoderKLCompanions(config, run)).trainableParameters;
    return [
      ["discriminator", judge === 0 ? "none" : `${formatCount(judge)} parameters`],
      ["latents", `${config.latentChannels} x ${side} x ${side} of ${imageSize} x ${imageSize}`],
      ["multiply-adds", `${formatCount(multiplyAddsOf(config, imageSize))} a picture, forward`],
      ["batch", `${batchSize} pictures${inParts(run.accumulate)}`],
      ["epoch", `${batches.toFixed(1)} batches, ${formatCount(data.length)} pictures`],
      ["steps", `${steps}, ${(steps / batches).toFixed(1)} epochs`],
    ];
  },
  samplerPrograms: (config, _, { imageSize }) => [
    autoencoderReconstructions(config, imageSize).program,
  ],
  train: trainAutoencoderKL,
};
