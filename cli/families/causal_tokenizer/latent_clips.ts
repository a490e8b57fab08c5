/**
 * The tokenizer behind a denoiser of latents, in both directions.
 *
 * @module
 */
import { InputError } from "../../../base/errors.ts";
import { describeNonFinite } from "../../../base/finite.ts";
import type { LatentNormalization, LatentSettings } from "../../../data/latents/cache.ts";
import { normalizedLatents } from "../../../diffusion/latents.ts";
import type { Device } from "../../../kernels/device.ts";
import { openTokenizerCoder } from "../../../models/causal_tokenizer/coding.ts";
import { causalTokenizerCodec } from "../../../models/causal_tokenizer/graph.ts";
import { type CausalTokenizerConfig, colours } from "../../../models/causal_tokenizer/model.ts";
import { findTokenizer, openTokenizer } from "../../../models/causal_tokenizer/source.ts";
import { type ClipCodec, clipLength } from "../../../models/clip_codec.ts";
import {
  type ClipSize,
  type CodecGrid,
  latentSize,
  NonFiniteCodecError,
  positions,
} from "../../../models/codec.ts";
import { joined } from "../../../models/encode.ts";
import { findTokenizerDecoder, type FoundTokenizer, TokenizerDecoder } from "./decoder.ts";

/** How the tokenizer of a denoiser is looked for. */
export interface TokenizerSearch {
  /** Where it is, if not where the run says. */
  readonly given?: string;
  /** Which model a bare file of weights is of, where no run knows. */
  readonly config?: CausalTokenizerConfig;
  /** Channels of the latents. */
  readonly channels: number;
  /** What the run of the denoiser says of them, if there is one. */
  readonly settings?: LatentSettings;
}

/**
 * Finds the tokenizer of latents: the given one, or else the one that the run knows. Close its weights after
 * use.
 *
 * @throws InputError when it is not there any more, or is not that of the latents
 */
export async function findLatentTokenizer(
  { given, config, channels, settings }: TokenizerSearch,
): Promise<FoundTokenizer> {
  if (settings) {
    requireTokenizer(settings);
    return await findTokenizerDecoder(given, settings, "--tokenizer says where it is now");
  }
  const source = await findTokenizer(given!, "ema", config);
  const found = source.config.latentChannels;
  if (found !== channels) {
    throw new InputError(
      `${source.path}: decodes latents of ${found} channels, the model draws ${channels}`,
    );
  }
  return { source, weights: await openTokenizer(source), normalization: unchanged(channels) };
}

/** Refuses latents of another kind of network. */
function requireTokenizer({ autoencoder: { path, config: { family } } }: LatentSettings): void {
  if (family === "causal-tokenizer") return;
  throw new InputError(
    `${path}: the model's latents come from ${family}, and clips are decoded by causal tokenizers; ` +
      "train walt --sample-every draws pictures of such latents, sample dit those of a DiT",
  );
}

/** Bare weights say nothing of how latents were normalized. */
const unchanged = (channels: number): LatentNormalization => ({
  shift: new Array<number>(channels).fill(0),
  scale: new Array<number>(channels).fill(1),
});

/** A tokenizer at work on a device: one clip at a time, each half taken into memory when it is needed. */
export class LatentClips implements ClipCodec {
  readonly grid: CodecGrid;
  readonly colours = colours;
  readonly notes: readonly string[];
  readonly #device: Device;
  readonly #tokenizer: FoundTokenizer;
  /** Decoders in memory, by the size of what they decode. */
  readonly #decoders = new Map<string, TokenizerDecoder>();

  constructor(device: Device, tokenizer: FoundTokenizer) {
    this.#device = device;
    this.#tokenizer = tokenizer;
    this.grid = causalTokenizerCodec.grid(tokenizer.source.config);
    this.notes = [`tokenizer: ${tokenizer.source.path}`];
  }

  async encode(pixels: Float32Array, size: ClipSize): Promise<Float32Array> {
    const { source: { config, path }, weights, normalization } = this.#tokenizer;
    const request = { direction: "encode", batch: 1, clip: size } as const;
    const { coder } = await openTokenizerCoder(this.#device, config, weights, request);
    using _coder = coder;
    const length = clipLength(colours, size);
    const parts: Float32Array[] = [];
    for (let first = 0; first < pixels.length; first += length) {
      const latent = await coder.run(pixels.subarray(first, first + length));
      const problem = describeNonFinite("the encoded clip", latent);
      if (problem !== undefined) throw new NonFiniteCodecError(`${path}: ${problem}`);
      parts.push(latent);
    }
    return normalizedLatents(joined(parts), normalization, positions(latentSize(this.grid, size)));
  }

  async decode(latents: Float32Array, size: ClipSize): Promise<Float32Array> {
    const key = JSON.stringify(size);
    const known = this.#decoders.get(key);
    const decoder = known ?? await TokenizerDecoder.open(this.#device, this.#tokenizer, size);
    this.#decoders.set(key, decoder);
    return await decoder.decode(latents);
  }

  [Symbol.dispose](): void {
    for (const decoder of this.#decoders.values()) decoder.destroy();
  }
}
