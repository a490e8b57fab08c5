/**
 * The tokenizer behind a denoiser of latents: found, checked, at work.
 *
 * @module
 */
import { firstNonFinite } from "../../base/finite.ts";
import { InputError } from "../../base/errors.ts";
import type { LatentNormalization, LatentSettings } from "../../data/latents/cache.ts";
import { decoderLatents, normalizedLatents } from "../../diffusion/latents.ts";
import type { TensorReader } from "../../formats/tensors/safetensors.ts";
import type { Device } from "../../kernels/device.ts";
import { isWeightsFile } from "../../training/checkpoints/checkpoint.ts";
import { type ClipCodec, clipLength } from "../clip_codec.ts";
import {
  type ClipSize,
  clipSize,
  type CodecGrid,
  latentSize,
  NonFiniteCodecError,
  positions,
} from "../codec.ts";
import type { Coder, Direction } from "../coder.ts";
import { joined } from "../encode.ts";
import { openTokenizerCoder, tokenizerHash } from "./coding.ts";
import { checkCausalTokenizerConfig } from "./config.ts";
import { causalTokenizerCodec } from "./graph.ts";
import { type CausalTokenizerConfig, colours } from "./model.ts";
import { findTokenizer, openTokenizer, type TokenizerSource } from "./source.ts";

/** A tokenizer that fits the latents of a denoiser. Close its weights after use. */
export interface LatentTokenizer extends Disposable {
  /** Where it is. */
  readonly source: TokenizerSource;
  /** Its weights. */
  readonly weights: TensorReader;
  /** How clips and latents are related. */
  readonly grid: CodecGrid;
  /** How the denoiser sees its latents. */
  readonly normalization: LatentNormalization;
}

/** Whose tokenizer is looked for. */
export interface DrawnLatents {
  /** Channels of the latents. */
  readonly channels: number;
  /** What the run of the denoiser says of them, if there is one. */
  readonly settings?: LatentSettings;
}

/** How a tokenizer is looked for. */
export interface TokenizerSearch {
  /** The model of a bare weights file that no run knows. */
  readonly config?: CausalTokenizerConfig;
  /** What helps when the tokenizer is not there any more. */
  readonly wayOut?: string;
}

/**
 * Finds the tokenizer of latents: the given one, or else the one that the run knows.
 *
 * @throws InputError when it is not there any more, or is not that of the latents
 */
export async function findLatentTokenizer(
  given: string | undefined,
  { channels, settings }: DrawnLatents,
  search: TokenizerSearch = {},
): Promise<LatentTokenizer> {
  const source = await findSource(given, settings, search);
  const { config, path } = source;
  const weights = await openTokenizer(source);
  try {
    if (settings && settings.autoencoder.hash !== tokenizerHash(config, weights)) {
      throw new InputError(
        `${path}: its encoder is not the one that the model's latents come from, that of ` +
          settings.autoencoder.path,
      );
    }
    if (config.latentChannels !== channels) {
      throw new InputError(
        `${path}: decodes latents of ${config.latentChannels} channels, the model draws ${channels}`,
      );
    }
  } catch (error) {
    weights.close();
    throw error;
  }
  return {
    ...{ source, weights, grid: causalTokenizerCodec.grid(config) },
    normalization: settings ?? unchanged(channels),
    [Symbol.dispose]: () => weights.close(),
  };
}

/** That of bare weights, which say nothing of it. */
const unchanged = (channels: number): LatentNormalization => ({
  shift: new Array<number>(channels).fill(0),
  scale: new Array<number>(channels).fill(1),
});

async function findSource(
  given: string | undefined,
  settings: LatentSettings | undefined,
  { config: named, wayOut = "--tokenizer says where it is now" }: TokenizerSearch,
): Promise<TokenizerSource> {
  const path = given ?? settings!.autoencoder.path;
  const known = settings?.autoencoder.config;
  const isTokenizer = known === undefined || known.family === "causal-tokenizer";
  if (!isTokenizer) {
    throw new InputError(
      `${settings!.autoencoder.path}: the model's latents come from a ${known.family}; clips are ` +
        "decoded by causal tokenizers",
    );
  }
  try {
    const isBare = named === undefined && known !== undefined && await isWeightsFile(path);
    const config = isBare ? checkCausalTokenizerConfig(known, path) : named;
    return await findTokenizer(path, "ema", config);
  } catch (error) {
    if (
      given !== undefined || !(error instanceof InputError || error instanceof Deno.errors.NotFound)
    ) {
      throw error;
    }
    throw new InputError(
      `${error.message}; the model's latents come from this tokenizer, ${wayOut}`,
      { cause: error },
    );
  }
}

/** A tokenizer at work on a device: one clip at a time, each half taken into memory when it is needed. */
export class LatentClips implements ClipCodec {
  readonly grid: CodecGrid;
  readonly colours = colours;
  readonly #device: Device;
  readonly #tokenizer: LatentTokenizer;
  /** The halves in memory, by what they code. */
  readonly #coders = new Map<string, Coder>();

  constructor(device: Device, tokenizer: LatentTokenizer) {
    this.#device = device;
    this.#tokenizer = tokenizer;
    this.grid = tokenizer.grid;
  }

  get notes(): readonly string[] {
    return [`tokenizer: ${this.#tokenizer.source.path}`];
  }

  async encode(pixels: Float32Array, size: ClipSize): Promise<Float32Array> {
    const { normalization } = this.#tokenizer;
    const latents = await this.#code("encode", pixels, size, this.colours, size);
    return normalizedLatents(latents, normalization, positions(latentSize(this.grid, size)));
  }

  async decode(latents: Float32Array, size: ClipSize): Promise<Float32Array> {
    const { normalization } = this.#tokenizer;
    const given = decoderLatents(latents, normalization, positions(size));
    return await this.#code("decode", given, size, this.grid.channels, clipSize(this.grid, size));
  }

  /** Codes clip after clip. @param clip size in pixels */
  async #code(
    direction: Direction,
    values: Float32Array,
    size: ClipSize,
    channels: number,
    clip: ClipSize,
  ): Promise<Float32Array> {
    const coder = await this.#coder(direction, clip);
    const length = clipLength(channels, size);
    const parts: Float32Array[] = [];
    for (let first = 0; first < values.length; first += length) {
      const coded = await coder.run(values.subarray(first, first + length));
      const wrong = firstNonFinite(coded);
      if (wrong >= 0) {
        throw new NonFiniteCodecError(
          `${this.#tokenizer.source.path}: ${direction} puts out ${
            coded[wrong]
          } at element ${wrong}`,
        );
      }
      parts.push(coded);
    }
    return joined(parts);
  }

  /** A half for clips of a size. */
  async #coder(direction: Direction, clip: ClipSize): Promise<Coder> {
    const key = JSON.stringify([direction, clip]);
    const known = this.#coders.get(key);
    if (known) return known;
    const { source: { config }, weights } = this.#tokenizer;
    const request = { direction, batch: 1, clip };
    const { coder } = await openTokenizerCoder(this.#device, config, weights, request);
    this.#coders.set(key, coder);
    return coder;
  }

  [Symbol.dispose](): void {
    for (const coder of this.#coders.values()) coder[Symbol.dispose]();
  }
}
