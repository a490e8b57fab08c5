/**
 * Flags of `tessera sample dit`. Names and meanings are DiT's where it has the flag.
 *
 * @module
 */
import { checkpointPlace } from "../../flags/checkpoint_place.ts";
import {
  flag,
  group,
  negatable,
  optional,
  type Parsed,
  parseFlags,
  type Values,
} from "../../flags/flags.ts";
import { activationFlags, deviceFlags, progressFlags, seedFlags } from "../../flags/options.ts";
import { integer, number, type Parser, text } from "../../flags/parsers.ts";
import { objectiveFlags, samplerFlags } from "./sampler_flags.ts";
import { guidanceFlags, guidanceSchedule } from "../../flags/guidance_flags.ts";
import { tileFlags } from "../autoencoder_kl/encode_flags.ts";
import { mostSamples, sampledWeightsFlags } from "../sample_flags.ts";
import { UsageError } from "../../terminal/errors.ts";

const count = integer({ min: 1 });

/** Channels that guidance acts on: all of them, or the first few. */
const guidedChannels: Parser<number | "all"> = (text, flag) =>
  text === "all" ? "all" : count(text, flag);

/** Every flag of `sample dit`. */
export const sampleDitFlags = {
  ...sampledWeightsFlags,
  ...group("Checkpoint:", objectiveFlags),
  ...group("Latents:", {
    vae: optional(
      "--vae <path>",
      "autoencoder of a model of latents: a run of train vae, a folder of diffusers, or weights",
      checkpointPlace,
      "the one that the model's latents come from",
    ),
  }),
  ...tileFlags,
  ...group("Sampling:", {
    classes: optional(
      "--classes <list>",
      'classes by number or name, such as 0,bag or "cats, dogs",bag',
      text,
      "all in turn with --count, else the first ten",
    ),
    count: optional(
      "--count <n>",
      "pictures; the classes come in turn",
      integer({ min: 1, max: mostSamples }),
      "one a class",
    ),
  }),
  ...samplerFlags,
  ...group("Sampling:", {
    cfgScale: optional(
      "--cfg-scale <x>",
      "guidance; 1 is off",
      number({ min: 0 }),
      "2 for models of pixels, 4 for latents",
    ),
  }),
  ...guidanceFlags,
  ...group("Sampling:", {
    cfgChannels: flag(
      "--cfg-channels <all|n>",
      "channels that are guided; 3 gives the paper's tables",
      guidedChannels,
      "all" as number | "all",
    ),
    clipDenoised: negatable(
      "--clip-denoised",
      "keep predicted pictures in [-1, 1]",
      "on for models of pixels, off for latents",
    ),
    batchSize: flag("--batch-size <n>", "pictures at a time", count, 16),
    noise: optional("--noise <file>", "initial noise: safetensors, tensor noise (N,C,H,W)", text),
  }),
  ...seedFlags,
  ...group("Output:", {
    out: flag("--out <folder>", "where the pictures go", text, "samples"),
    npz: optional(
      "--npz <file>",
      "pictures as arr_0 (N,H,W,C) of bytes and classes as arr_1, written batch by batch; " +
        "single PNGs and a grid only with --out",
      text,
    ),
    saveLatents: optional(
      "--save-latents <file>",
      "raw result before decoding: safetensors, tensor latents (N,C,H,W)",
      text,
    ),
  }),
  ...deviceFlags,
  ...activationFlags,
  ...progressFlags,
} as const;

/** What `sample dit` was asked to do. */
export type SampleDitOptions = Values<typeof sampleDitFlags>;

/** Reads the flags of `sample dit` and refuses combinations that contradict each other. */
export function parseSampleOptions(args: readonly string[]): Parsed<typeof sampleDitFlags> {
  const parsed = parseFlags(sampleDitFlags, args);
  checkSampleOptions(parsed);
  return parsed;
}

/** Refuses combinations of flags that contradict each other. */
export function checkSampleOptions({ values, given }: Parsed<typeof sampleDitFlags>): void {
  guidanceSchedule(values);
  if (given.has("eta") && values.sampler !== "ddim") {
    const other = values.sampler === undefined ? "" : `, not ${values.sampler}`;
    throw new UsageError(`--eta is for --sampler ddim${other}`);
  }
  if (values.noise !== undefined && given.has("count")) {
    throw new UsageError("--noise fixes the number of pictures; leave --count out");
  }
}
