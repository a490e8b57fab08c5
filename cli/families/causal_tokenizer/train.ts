/**
 * `tessera train tokenizer`: what is a tokenizer's own of it.
 *
 * @module
 */
import { describeClip } from "../../../data/clips/clip_report.ts";
import type { ClipSet } from "../../../data/clips/clip_set.ts";
import type { Split } from "../../../data/sources/idx.ts";
import { graphCost, makeGraph } from "../../../kernels/graph/graph.ts";
import { overrideCausalTokenizerConfig } from "../../../models/causal_tokenizer/config.ts";
import { paperDiscriminator } from "../../../models/adversarial/discriminator.ts";
import { causalTokenizerFamily } from "../../../models/causal_tokenizer/family.ts";
import {
  causalTokenizerCodec,
  traceCausalTokenizer,
} from "../../../models/causal_tokenizer/graph.ts";
import { type CausalTokenizerConfig, colours } from "../../../models/causal_tokenizer/model.ts";
import {
  checkTokenizerData,
  clipOf,
  type TokenizerData,
} from "../../../models/causal_tokenizer/data.ts";
import { tokenizerReconstructions } from "../../../models/causal_tokenizer/reconstructions.ts";
import { trainTokenizer } from "../../../models/causal_tokenizer/run.ts";
import type { TokenizerRun, TokenizerSettings } from "../../../models/causal_tokenizer/settings.ts";
import { tokenizerCompanions } from "../../../models/causal_tokenizer/step.ts";
import { checkClipSize, type ClipSize, latentSize } from "../../../models/codec.ts";
import { checkPerceptual } from "../../../models/perceptual/loss.ts";
import { countParameters } from "../../../nn/parameters.ts";
import type { ClipDataValues } from "../../flags/clip_data_flags.ts";
import { describeClips, previewClips } from "../../runs/clip_data.ts";
import { UsageError } from "../../terminal/errors.ts";
import { formatCount, inParts } from "../../terminal/numbers.ts";
import { fixed } from "../../terminal/progress.ts";
import { perceptualOf } from "../perceptual.ts";
import { reconstructionEvaluation } from "../reconstruction_evaluation.ts";
import type { OpeningEvents, TrainingCommand } from "../training.ts";
import { isShippedClips, openTokenizerData, shippedMotion } from "./data.ts";
import { causalTokenizerFields } from "./model_flags.ts";
import type { TrainTokenizerOptions } from "./train_flags.ts";

/** The flags of clips with the frames that the tokenizer is for. */
function clipValues(values: TrainTokenizerOptions, base: CausalTokenizerConfig): ClipDataValues {
  return { ...values, frames: values.frames ?? (base.temporalKernel === 1 ? 1 : 17) };
}

/** Multiply-adds of both halves for a clip. */
function multiplyAddsOf(config: CausalTokenizerConfig, clip: ClipSize): number {
  const { out } = traceCausalTokenizer(config, { batch: 1, clip });
  return graphCost(makeGraph("forward", { outputs: { out } })).multiplyAdds;
}

const sizeOf = ({ frames, height, width }: ClipSize): string => `${frames} x ${height} x ${width}`;

/** Opens a part of the data of a run. */
async function openPart(
  place: string,
  { run: { clip, cuts, seed }, classNames }: TokenizerRun,
  events: OpeningEvents,
  split: Split,
): Promise<TokenizerData> {
  const { frames, height, width } = clip;
  return await openTokenizerData(
    place,
    {
      ...{ crop: "center", fps: undefined, stride: undefined, hop: undefined },
      ...{ folderFps: undefined, previewData: undefined },
      ...cuts,
      frames,
      size: { height, width },
    },
    { isClips: cuts !== undefined, seed, classNames, split, ...events },
  );
}

/** Training of a tokenizer. */
export const tokenizerTraining: TrainingCommand<
  TrainTokenizerOptions,
  CausalTokenizerConfig,
  TokenizerSettings,
  TokenizerData
> = {
  family: causalTokenizerFamily,
  shipped: shippedMotion,
  foresee(base, values) {
    const config = overrideCausalTokenizerConfig(
      base,
      causalTokenizerFields.overrides(base, values),
      "the model",
    );
    const { frames, size } = clipValues(values, base);
    if (!size) return;
    checkClipSize(causalTokenizerCodec.grid(config), { frames, ...size }, "--frames and --size");
  },
  async open(place, values, base, events) {
    const options = { isClips: isShippedClips(place), seed: values.seed, ...events };
    const data = await openTokenizerData(place, clipValues(values, base), options);
    if (values.previewData !== undefined) {
      if (data.frames === undefined) throw new UsageError("--preview-data is for clips");
      await previewClips(data as ClipSet, values.previewData);
    }
    return data;
  },
  reopen: (place, description, events) => openPart(place, description, events, "train"),
  evaluation: reconstructionEvaluation(
    (place, description, events) => openPart(place, description, events, "test"),
    (config, { clip }) => tokenizerReconstructions(config, clip).program,
  ),
  configure(base, data, values) {
    const config = overrideCausalTokenizerConfig(
      base,
      causalTokenizerFields.overrides(base, values),
      `model for ${data.name}`,
    );
    checkTokenizerData(config, data);
    return config;
  },
  learningRate: ({ baseChannels }) => baseChannels < 64 ? 1e-3 : 1e-4,
  batch: ({ batchSize: size }) => ({ size, what: `the batch of ${size}` }),
  async settings({ values }, { baseChannels }, common, data) {
    const { fps, stride, hop, folderFps, crop } = values;
    const channels = values.discriminatorChannels ?? Math.ceil(baseChannels / 2);
    const discriminator = { ...paperDiscriminator, baseChannels: channels };
    return {
      ...common,
      betas: [values.beta1, values.beta2],
      batchSize: values.batchSize,
      clip: clipOf(data),
      cuts: data.frames === undefined ? undefined : { fps, stride, hop, folderFps, crop },
      discriminator: values.adversarialWeight > 0 ? discriminator : undefined,
      perceptual: await perceptualOf(values),
      weights: {
        l2: values.l2Weight,
        adversarial: values.adversarialWeight,
        perceptual: values.perceptualWeight,
        r1: values.r1Cost,
        lecam: values.lecamWeight,
      },
    };
  },
  stepsPerEpoch: (data, _, { batchSize }) => data.length / batchSize,
  check(_, { accumulate = 1, discriminator, perceptual, clip }) {
    if (perceptual) checkPerceptual(perceptual, { ...clip, channels: colours });
    if (accumulate === 1 || !discriminator) return;
    throw new UsageError(
      "--accumulate: the discriminator's means are those of whole batches; give a smaller " +
        "--batch-size, or --adversarial-weight 0",
    );
  },
  samples({ values: { sampleEvery } }, _, before) {
    const every = sampleEvery ?? before?.every ?? 0;
    return every === 0 ? undefined : { every, steps: 1 };
  },
  warnings: (_, __, data) => data.frames === undefined ? [] : describeClips(data as ClipSet),
  reportData: (data) => data.frames === undefined ? [] : (data as ClipSet).report.map(describeClip),
  describeBatch: ({ batchSize, clip }) => `batch ${batchSize} of ${sizeOf(clip)}`,
  columns: ({ discriminator, perceptual }) => ({
    l2: fixed("l2", 5),
    ...(perceptual && { perceptual: fixed("perceptual", 4) }),
    ...(discriminator && {
      adversarial: fixed("adversarial", 3),
      discriminating: fixed("discriminator", 3),
      r1: fixed("r1", 4),
    }),
  }),
  next: () => ({
    what: "measure it with",
    command: (folder) => `eval tokenizer --ckpt ${folder}`,
  }),
  describePlan({ description: { config, run }, steps }, data) {
    const { clip, batchSize } = run;
    const batches = data.length / batchSize;
    const grid = causalTokenizerCodec.grid(config);
    const judge = countParameters(tokenizerCompanions(run)).trainableParameters;
    return [
      ["discriminator", judge === 0 ? "none" : `${formatCount(judge)} parameters`],
      ["latents", `${grid.channels} x ${sizeOf(latentSize(grid, clip))} of ${sizeOf(clip)}`],
      ["multiply-adds", `${formatCount(multiplyAddsOf(config, clip))} a clip, forward`],
      ["batch", `${batchSize} clips${inParts(run.accumulate)}`],
      ["epoch", `${batches.toFixed(1)} batches, ${formatCount(data.length)} clips`],
      ["steps", `${steps}, ${(steps / batches).toFixed(1)} epochs`],
    ];
  },
  samplerPrograms: (config, _, { clip }) => [tokenizerReconstructions(config, clip).program],
  train: trainTokenizer,
};
