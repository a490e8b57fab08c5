/**
 * Flags of `tessera sample walt`.
 *
 * @module
 */
import { checkpointPlace } from "../../../flags/checkpoint_place.ts";
import { clipFormats } from "../../../../formats/video/clip_files.ts";
import { frameSize } from "../../../flags/clip_data_flags.ts";
import { flag, group, optional, type Parsed, type Values } from "../../../flags/flags.ts";
import { guidanceFlags } from "../../../flags/guidance_flags.ts";
import { activationFlags, deviceFlags, progressFlags, seedFlags } from "../../../flags/options.ts";
import { choice, integer, list, number, text } from "../../../flags/parsers.ts";
import { UsageError } from "../../../terminal/errors.ts";
import { mostSamples, sampledWeightsFlags } from "../../sample_flags.ts";
import { waltModelFlags } from "../model_flags.ts";

const count = integer({ min: 1 });

/** Time steps of the noise in a low resolution: the first is almost none. */
const noiseLevel = integer({ min: 0, max: 999 });

const { spatialWindow, spatioTemporalWindow } = waltModelFlags;

/** Every flag of `sample walt`. */
export const sampleWaltFlags = {
  ...sampledWeightsFlags,
  ...group("Latents:", {
    tokenizer: optional(
      "--tokenizer <path>",
      "tokenizer of a model of latents: a run of train tokenizer, weights, or shipped:NAME",
      checkpointPlace,
      "the one that the model's latents come from",
    ),
    tokenizerConfig: optional(
      "--tokenizer-config <name|file>",
      "model of a bare weights file of a tokenizer",
      text,
    ),
  }),
  ...group("What is drawn:", {
    classes: optional(
      "--classes <list>",
      'classes by number or name, such as 0,walk or "left, fast",walk',
      text,
      "all in turn with --count, else the first ten",
    ),
    embeddings: optional(
      "--embeddings <file>",
      "features of captions for models with text: safetensors with text, textMask and names",
      text,
    ),
    count: optional(
      "--count <n>",
      "clips; the classes or captions come in turn",
      integer({ min: 1, max: mostSamples }),
      "one a class or caption",
    ),
    image: optional("--image <file>", "picture that clips begin with", text),
    framesFrom: optional(
      "--frames-from <clip>",
      "clip whose first frames are given and whose rest is predicted",
      text,
    ),
    length: optional(
      "--length <frames>",
      "frames of a clip; longer ones are continued from their last frames",
      count,
      "those of the model",
    ),
    size: optional(
      "--size <side|WxH>",
      "size of the clips in pixels; positions and windows of another size are interpolated",
      frameSize,
      "that of the model",
    ),
    ...{ spatialWindow, spatioTemporalWindow },
  }),
  ...group("Enlarging:", {
    sr: optional(
      "--sr <list>",
      "denoisers, each of which draws at twice the height and width what the one before has drawn",
      list(checkpointPlace),
    ),
    srConfig: optional(
      "--sr-config <list>",
      "models of bare weights files for --sr: names or files",
      list(text),
    ),
    srNoise: flag(
      "--sr-noise <t>",
      "time step of the noise that is added to what is enlarged",
      noiseLevel,
      100,
    ),
  }),
  ...group("Sampling:", {
    sampler: flag(
      "--sampler <ddim|dpm++>",
      "how noise becomes a clip",
      choice("ddim", "dpm++"),
      "ddim",
    ),
    numSamplingSteps: flag(
      "--num-sampling-steps <n>",
      "steps of the sampler",
      integer({ min: 1, max: 1000 }),
      50,
    ),
    cfgScale: optional(
      "--cfg-scale <x>",
      "guidance; 1 is off",
      number({ min: 0 }),
      "2, or off for models that cannot be guided",
    ),
    ...guidanceFlags,
    batchSize: flag("--batch-size <n>", "clips at a time", count, 8),
    noise: optional("--noise <file>", "initial noise: safetensors, tensor noise (N,c,F,h,w)", text),
  }),
  ...seedFlags,
  ...group("Output:", {
    out: flag("--out <folder>", "where the clips go", text, "clips"),
    format: flag(
      `--format <${clipFormats.join("|")}>`,
      "video, animated picture with every pixel as it is, or a folder of pictures each",
      choice(...clipFormats),
      "mp4",
    ),
    quality: optional(
      "--quality <n>",
      "how near MP4 and WebP are to what was drawn, up to 100",
      integer({ min: 1, max: 100 }),
      "90 for MP4, WebP without loss",
    ),
    fps: optional(
      "--fps <rate>",
      "frames a second",
      number({ min: 0.02, max: 1000 }),
      "that of the training clips, or 8",
    ),
    npz: optional(
      "--npz <file>",
      "clips as arr_0 (N,T,H,W,C) of bytes and classes as arr_1; single files only with --out",
      text,
    ),
    saveLatents: optional(
      "--save-latents <file>",
      "raw result before decoding: safetensors, tensor latents (N,c,F,h,w)",
      text,
    ),
  }),
  ...deviceFlags,
  ...activationFlags,
  ...progressFlags,
} as const;

/** What `sample walt` was asked to do. */
export type SampleWaltOptions = Values<typeof sampleWaltFlags>;

/** Refuses combinations of flags that contradict each other. */
export function checkSampleWalt({ values, given }: Parsed<typeof sampleWaltFlags>): void {
  const { image, framesFrom, length, sr, saveLatents, noise } = values;
  const pairs: [boolean, string][] = [
    [image !== undefined && framesFrom !== undefined, "--image and --frames-from both give frames"],
    [noise !== undefined && given.has("count"), "--noise fixes the number of clips; no --count"],
    [length !== undefined && sr !== undefined, "--sr enlarges clips of the model's length"],
    [
      length !== undefined && saveLatents !== undefined,
      "--save-latents has no place for the frames of --length",
    ],
    [sr === undefined && given.has("srNoise"), "--sr-noise is for --sr"],
    [values.format === "png" && given.has("quality"), "--quality is for MP4 and WebP"],
  ];
  const wrong = pairs.find(([isWrong]) => isWrong);
  if (wrong) throw new UsageError(wrong[1]);
}
