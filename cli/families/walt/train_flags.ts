/**
 * Flags of `tessera train walt`.
 *
 * @module
 */
import { checkpointPlace } from "../../flags/checkpoint_place.ts";
import { clipDataFlags, clipPathHelp } from "../../flags/clip_data_flags.ts";
import { alias, flag, group, optional, resumable, toggle, type Values } from "../../flags/flags.ts";
import { transformerFlags } from "../../flags/options.ts";
import { choice, integer, number, text } from "../../flags/parsers.ts";
import { sampleEveryFlag, trainFlags } from "../../flags/train_flags.ts";
import { waltModelFlags } from "./model_flags.ts";

const share = number({ min: 0, max: 1 });
const { frames: _, ...clipFlags } = clipDataFlags;
const { adalnRank, spatialWindow, spatioTemporalWindow } = waltModelFlags;

/** Every flag of `train walt`. */
export const trainWaltFlags = {
  ...group("Model:", {
    model: flag("--model <name>", "config to start from: WALT-XS to WALT-L", text, "WALT-XS"),
  }),
  ...transformerFlags,
  ...group("Model:", {
    patch: optional(
      "--patch <n>",
      "side of a patch, in pixels",
      integer({ min: 1, max: 65536 }),
      "4",
    ),
    channels: optional(
      "--channels <n>",
      "channels of the clips: 1 grey, 3 RGB",
      integer({ min: 1, max: 65536 }),
    ),
    ...{ adalnRank, spatialWindow, spatioTemporalWindow },
  }),
  ...group("Data:", {
    ...resumable({
      dataPath: optional("--data-path <path>", clipPathHelp, text, "shipped:moving-fashion"),
    }),
    labelDropout: flag(
      "--label-dropout <p>",
      "probability that class and caption are left out, for guidance",
      share,
      0.1,
    ),
    flip: toggle("--flip", "mirror half of the clips, left to right"),
    rawLatents: toggle(
      "--raw-latents",
      "train on latents as the tokenizer makes them, without mean 0 and deviation 1",
    ),
    embeddings: optional(
      "--embeddings <file>",
      "features of the clips' captions, safetensors; the model is told them in place of classes",
      text,
    ),
    tokenizer: optional(
      "--tokenizer <path>",
      "encode the clips first, with the tokenizer of this run or checkpoint, or shipped:NAME",
      checkpointPlace,
    ),
    superResolution: toggle(
      "--super-resolution",
      "train to enlarge: from means of 2 x 2 pixels, or with --tokenizer from clips of half the size",
    ),
    lowResolution: optional(
      "--low-resolution <cache>",
      "train to enlarge latents: a cache of the same clips at half the height and width",
      text,
    ),
    lowResolutionNoise: flag(
      "--low-resolution-noise <t>",
      "highest time step of the noise in the low resolution",
      integer({ min: 0, max: 999 }),
      300,
    ),
  }),
  ...clipFlags,
  ...group("Clips:", {
    frames: flag("--frames <n>", "frames of a clip", integer({ min: 1, max: 4096 }), 5),
  }),
  ...group("Training:", {
    batchSize: alias(
      flag("--batch-size <n>", "clips a step", integer({ min: 1 }), 16),
      "--global-batch-size",
    ),
    schedule: flag(
      "--schedule <zero-terminal|linear>",
      "how much noise time steps mean: nothing but noise in the last, or a rest of the clip",
      choice("zero-terminal", "linear"),
      "zero-terminal",
    ),
    selfConditioning: flag(
      "--self-conditioning <p>",
      "probability that the network is shown an estimate of its own",
      share,
      0.9,
    ),
    framePrediction: flag(
      "--frame-prediction <p>",
      "probability that the first frame or the first two are given",
      share,
      0,
    ),
    imageShare: flag(
      "--image-share <p>",
      "probability that an element is no clip but a stack of unrelated pictures, not mirrored",
      share,
      0,
    ),
  }),
  ...trainFlags({
    learningRate: "1e-3 below width 384, else 5e-4",
    rateSchedule: "constant",
    warmup: 100,
    weightDecay: 0,
    averageDecay: 0.999,
  }),
  ...resumable(group("Run:", {
    sampleEvery: sampleEveryFlag("draw a sheet of clips"),
    numSamplingSteps: flag(
      "--num-sampling-steps <n>",
      "steps of the sampler for --sample-every",
      integer({ min: 1, max: 1000 }),
      20,
    ),
  })),
} as const;

/** What `train walt` was asked to do. */
export type TrainWaltOptions = Values<typeof trainWaltFlags>;
