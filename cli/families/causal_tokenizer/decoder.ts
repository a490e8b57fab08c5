/**
 * The decoder of a causal tokenizer behind a diffusion model of latents.
 *
 * @module
 */
import { describeNonFinite } from "../../../base/finite.ts";
import type {
  LatentNormalization,
  LatentSettings,
  PlaneSizes,
} from "../../../data/latents/cache.ts";
import { decoderLatents } from "../../../diffusion/latents.ts";
import type { PictureModel } from "../../../diffusion/samples/picture_files.ts";
import type { TensorReader } from "../../../formats/tensors/safetensors.ts";
import type { Device } from "../../../kernels/device.ts";
import type { Program } from "../../../kernels/program.ts";
import { tokenizerCodec, tokenizerHash } from "../../../models/causal_tokenizer/coding.ts";
import { checkCausalTokenizerConfig } from "../../../models/causal_tokenizer/config.ts";
import { causalTokenizerCodec } from "../../../models/causal_tokenizer/graph.ts";
import { type CausalTokenizerConfig, colours } from "../../../models/causal_tokenizer/model.ts";
import {
  findTokenizer,
  openTokenizer,
  type TokenizerSource,
} from "../../../models/causal_tokenizer/source.ts";
import { type ClipSize, clipSize, NonFiniteCodecError, positions } from "../../../models/codec.ts";
import { wholeProgram } from "../../../models/coder.ts";
import type { PictureDecoder } from "../../../models/dit/run_samples.ts";
import type { ClipDecoder } from "../../../models/walt/run_clips.ts";
import { isWeightsFile } from "../../../training/checkpoints/checkpoint.ts";
import type { OpenCoder } from "../../runs/encode.ts";
import { recordedAutoencoder, requireEncoder } from "../latent_source.ts";
import { openCoder } from "./coding.ts";

/** A tokenizer whose encoder the latents of a model come from; close its weights after use. */
export interface FoundTokenizer {
  readonly source: TokenizerSource;
  readonly weights: TensorReader;
  /** How the model sees its latents. */
  readonly normalization: LatentNormalization;
}

/**
 * Finds the tokenizer of latents: the given one, or else the one that the run knows.
 *
 * @param wayOut what helps when it is not there any more
 * @throws InputError when it is not there any more, or is not that of the latents
 */
export async function findTokenizerDecoder(
  given: string | undefined,
  settings: LatentSettings,
  wayOut: string,
): Promise<FoundTokenizer> {
  const { autoencoder } = settings;
  const path = given ?? autoencoder.path;
  const config = checkCausalTokenizerConfig(autoencoder.config, path);
  const reading = async () => {
    const source = await findTokenizer(path, "ema", await isWeightsFile(path) ? config : undefined);
    return { source, weights: await openTokenizer(source) };
  };
  const { source, weights } = await recordedAutoencoder(given !== undefined, reading(), wayOut);
  try {
    requireEncoder({ path: source.path, hash: tokenizerHash(source.config, weights) }, settings);
  } catch (error) {
    weights.close();
    throw error;
  }
  return { source, weights, normalization: settings };
}

/** Decodes a clip of latents of this size in one piece, for what a run takes. */
export function tokenizerDecoderProgram(
  { autoencoder }: LatentSettings,
  latent: ClipSize,
): Program {
  const config = checkCausalTokenizerConfig(autoencoder.config, autoencoder.path);
  const clip = clipSize(causalTokenizerCodec.grid(config), latent);
  return wholeProgram(tokenizerCodec(config), { direction: "decode", batch: 1, clip });
}

/** Makes clips of latents, one at a time. */
export class TokenizerDecoder implements ClipDecoder, PictureDecoder, Disposable {
  readonly path: string;
  readonly clips: PlaneSizes & ClipSize;
  /** How it works. */
  readonly note: string;
  readonly #coder: OpenCoder;
  readonly #normalization: LatentNormalization;
  readonly #latent: ClipSize;
  readonly #config: CausalTokenizerConfig;

  private constructor(
    coder: OpenCoder,
    { source: { path, config }, normalization }: FoundTokenizer,
    latent: ClipSize,
  ) {
    this.path = path;
    this.clips = { channels: colours, ...clipSize(causalTokenizerCodec.grid(config), latent) };
    this.note = coder.note;
    this.#coder = coder;
    this.#normalization = normalization;
    this.#latent = latent;
    this.#config = config;
  }

  /**
   * Takes the decoder into the memory that the device has left.
   *
   * @param latent frames and sides of the latents
   */
  static async open(
    device: Device,
    found: FoundTokenizer,
    latent: ClipSize,
  ): Promise<TokenizerDecoder> {
    const { source, weights } = found;
    const clip = clipSize(causalTokenizerCodec.grid(source.config), latent);
    const request = { direction: "decode", batch: 1, clip } as const;
    return new TokenizerDecoder(await openCoder(device, source, weights, request), found, latent);
  }

  /** Latents (n, c, f, h, w) of the model as clips (n, 3, F, H, W), which are not clamped. */
  async decode(latents: Float32Array): Promise<Float32Array> {
    const places = positions(this.#latent);
    const length = this.#config.latentChannels * places;
    const size = colours * positions(this.clips);
    const given = decoderLatents(latents, this.#normalization, places);
    const decoded = new Float32Array(given.length / length * size);
    for (let index = 0; index * length < given.length; index++) {
      const clip = await this.#coder.run(given.subarray(index * length, (index + 1) * length));
      const problem = describeNonFinite("the decoded clip", clip);
      if (problem !== undefined) throw new NonFiniteCodecError(`${this.path}: ${problem}`);
      decoded.set(clip, index * size);
    }
    return decoded;
  }

  /** The same for batch after batch. */
  async *decodeAll(batches: AsyncIterable<Float32Array>): AsyncGenerator<Float32Array> {
    for await (const batch of batches) yield await this.decode(batch);
  }

  /** What single frames are like, which are squares. */
  get pictures(): PictureModel {
    return { channels: this.clips.channels, inputSize: this.clips.height };
  }

  /** Frees the decoder. */
  destroy(): void {
    this.#coder[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}
