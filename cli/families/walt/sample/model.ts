/**
 * What `tessera sample walt` draws with: denoisers, their tokenizer, the size of the clips.
 *
 * @module
 */
import { InputError } from "../../../../base/errors.ts";
import { causalTokenizerFamily } from "../../../../models/causal_tokenizer/family.ts";
import { causalTokenizerCodec } from "../../../../models/causal_tokenizer/graph.ts";
import { type ClipCodec, pixelCodec } from "../../../../models/clip_codec.ts";
import type { CodecGrid } from "../../../../models/codec.ts";
import { findTrained } from "../../../../models/trained.ts";
import { waltFamily } from "../../../../models/walt/family.ts";
import type { WaltConfig } from "../../../../models/walt/model.ts";
import { configForSize, type WaltSource } from "../../../../models/walt/source.ts";
import { isWeightsFile } from "../../../../training/checkpoints/checkpoint.ts";
import type { Device } from "../../../../kernels/device.ts";
import { requireMultiple } from "../../../../nn/config.ts";
import type { FoundTokenizer } from "../../causal_tokenizer/decoder.ts";
import { findLatentTokenizer, LatentClips } from "../../causal_tokenizer/latent_clips.ts";
import { namedConfigOrFile } from "../../../flags/model_config.ts";
import { assetPath } from "../../../terminal/assets.ts";
import { asUsage, UsageError } from "../../../terminal/errors.ts";
import { waltFields } from "../model_flags.ts";
import type { SampleWaltOptions } from "./flags.ts";

/** A denoiser and what it works on. Close the weights of its tokenizer after use. */
export interface DrawnModel {
  readonly source: WaltSource;
  /** Its configuration for the size of the clips. */
  readonly config: WaltConfig;
  /** That of its latents; absent for a model of pixels. */
  readonly tokenizer?: FoundTokenizer;
}

/** The checkpoint that comes with the tool. */
const shippedCheckpoint = "models/checkpoints/moving-fashion";

/** The denoiser that flags mean. */
export async function findModel(values: SampleWaltOptions): Promise<DrawnModel> {
  const { ckpt, config, weights } = values;
  const path = ckpt ?? assetPath(shippedCheckpoint);
  const source = await findSource(path, config, weights, "--config");
  const tokenizer = await tokenizerOf(source, values);
  try {
    return {
      source,
      tokenizer,
      config: sizedConfig(source.config, gridOf({ source, tokenizer }), values),
    };
  } catch (error) {
    tokenizer?.weights.close();
    throw error;
  }
}

/**
 * The denoisers that enlarge what others have drawn, in their order. With another size of the clips they draw
 * twice that.
 */
export async function findEnlargers(
  { sr = [], srConfig = [], ...values }: SampleWaltOptions,
  first: DrawnModel,
): Promise<readonly DrawnModel[]> {
  if (srConfig.length > sr.length) {
    throw new UsageError(`--sr-config: ${srConfig.length} models for the ${sr.length} of --sr`);
  }
  const enlargers: DrawnModel[] = [];
  try {
    for (const [index, path] of sr.entries()) {
      const source = await findSource(path, srConfig[index], values.weights, "--sr-config");
      const from = enlargers.at(-1) ?? first;
      checkEnlarger(source, first);
      const config = values.size === undefined
        ? source.config
        : asUsage(() => configForSize(source.config, twice(from.config), {}));
      checkSize({ source, config }, from);
      enlargers.push({ source, config, tokenizer: await tokenizerOf(source, values) });
    }
  } catch (error) {
    enlargers.forEach(({ tokenizer }) => tokenizer?.weights.close());
    throw error;
  }
  return enlargers;
}

const twice = ({ latentSize: [height, width] }: WaltConfig): WaltConfig["latentSize"] => [
  2 * height,
  2 * width,
];

/**
 * Requires that what a denoiser draws is twice as large as what it is told.
 *
 * @throws InputError naming what differs
 */
function checkSize({ source: { path }, config }: DrawnModel, { config: from }: DrawnModel): void {
  const [height, width] = twice(from);
  const facts: [what: string, found: number, wanted: number][] = [
    ["channels", config.latentChannels, from.latentChannels],
    ["latent frames", config.latentFrames, from.latentFrames],
    ["rows", config.latentSize[0], height],
    ["columns", config.latentSize[1], width],
  ];
  const wrong = facts.find(([, found, wanted]) => found !== wanted);
  if (!wrong) return;
  const [what, found, wanted] = wrong;
  throw new InputError(
    `${path}: draws ${found} ${what}, and to enlarge what is drawn before it takes ${wanted}`,
  );
}

/**
 * Requires that a denoiser enlarges what another one draws, and is told no more.
 *
 * @throws InputError naming what differs
 */
function checkEnlarger({ path, config, manifest }: WaltSource, base: DrawnModel): void {
  if (!config.lowResolution) {
    throw new InputError(`${path}: is not told a low resolution, so it enlarges nothing`);
  }
  for (const [field, what] of [["classes", "classes"], ["textWidth", "features a word"]] as const) {
    if (config[field] === null || config[field] === base.config[field]) continue;
    throw new InputError(
      `${path}: is told ${config[field]} ${what}, the first model ${base.config[field] ?? "none"}`,
    );
  }
  const small = manifest?.run.lowResolution?.cache?.latents.autoencoder;
  const drawn = base.source.manifest?.run.latents?.autoencoder;
  if (small && drawn && small.hash !== drawn.hash) {
    throw new InputError(
      `${path}: enlarges latents of ${small.path}, the first model draws those of ${drawn.path}`,
    );
  }
}

async function findSource(
  path: string,
  config: string | undefined,
  weights: SampleWaltOptions["weights"],
  flag: string,
): Promise<WaltSource> {
  if (config !== undefined && !await isWeightsFile(path)) {
    throw new UsageError(`${flag} is for bare weights files; a checkpoint folder has its own`);
  }
  const given = config === undefined ? undefined : await namedConfigOrFile(waltFamily, config);
  return await findTrained(waltFamily, path, weights, given);
}

/** The tokenizer of a model of latents; undefined for one of pixels. */
async function tokenizerOf(
  { config: { latentChannels: channels }, manifest }: WaltSource,
  { tokenizer, tokenizerConfig }: Pick<SampleWaltOptions, "tokenizer" | "tokenizerConfig">,
): Promise<FoundTokenizer | undefined> {
  const settings = manifest?.run.latents;
  if (tokenizer === undefined && settings === undefined) return undefined;
  const config = tokenizerConfig === undefined
    ? undefined
    : await namedConfigOrFile(causalTokenizerFamily, tokenizerConfig);
  return await findLatentTokenizer({ given: tokenizer, config, channels, settings });
}

/** How clips and what a model draws are related. */
export const gridOf = ({ tokenizer, source }: Omit<DrawnModel, "config">): CodecGrid =>
  tokenizer
    ? causalTokenizerCodec.grid(tokenizer.source.config)
    : pixelCodec(source.config.latentChannels).grid;

/** The configuration for clips of the size that flags ask for. */
function sizedConfig(
  config: WaltConfig,
  { side }: Pick<CodecGrid, "side">,
  { size, spatialWindow, spatioTemporalWindow }: SampleWaltOptions,
): WaltConfig {
  if (size === undefined) {
    if (spatialWindow === undefined && spatioTemporalWindow === undefined) return config;
    throw new UsageError("--spatial-window and --spatio-temporal-window are for another --size");
  }
  const unit = side * config.patch;
  return asUsage(() => {
    for (const [what, pixels] of [["width", size.width], ["height", size.height]] as const) {
      requireMultiple("--size", [what, pixels], [`divisible by ${unit}`, unit], `${what}s`);
    }
    const latentSize = [size.height / side, size.width / side] as const;
    const isSame = latentSize.every((sides, axis) => sides === config.latentSize[axis]);
    const windows = waltFields.overrides(config, { spatialWindow, spatioTemporalWindow });
    return isSame ? config : configForSize(config, latentSize, windows);
  });
}

/** Pixels and latents of a model on a device. */
export const codecOf = (device: Device, { config, tokenizer }: DrawnModel): ClipCodec =>
  tokenizer ? new LatentClips(device, tokenizer) : pixelCodec(config.latentChannels);
