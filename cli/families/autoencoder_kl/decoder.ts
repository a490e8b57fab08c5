/**
 * The decoder behind a diffusion model of latents.
 *
 * @module
 */
import { InputError } from "../../../base/errors.ts";
import { describeNonFinite } from "../../../base/finite.ts";
import type { LatentNormalization, LatentSettings } from "../../../data/latents/cache.ts";
import { decoderLatents } from "../../../diffusion/latents.ts";
import type { PictureModel } from "../../../diffusion/samples/picture_files.ts";
import type { Device } from "../../../kernels/device.ts";
import type { PictureDecoder } from "../../../models/dit/run_samples.ts";
import { checkAutoencoderKLConfig } from "../../../models/autoencoder_kl/config.ts";
import { PictureCoder } from "../../../models/autoencoder_kl/codec.ts";
import { spatialFactor } from "../../../models/autoencoder_kl/model.ts";
import { NonFiniteCodecError } from "../../../models/codec.ts";
import {
  type AutoencoderKLWeights,
  findAutoencoderKL,
  readAutoencoderKL,
} from "../../../models/autoencoder_kl/source.ts";
import { recordedAutoencoder, requireEncoder, usualWayOut } from "../latent_source.ts";
import { codingOf } from "./source.ts";

/** What a diffusion model draws. */
export interface DrawnLatents {
  /** Channels. */
  readonly channels: number;
  /** Sides. */
  readonly inputSize: number;
  /** What the run says of them, if there is one. */
  readonly settings?: LatentSettings;
}

/** An autoencoder that fits the latents of a model. */
export interface FoundDecoder {
  /** Its weights. */
  readonly weights: AutoencoderKLWeights;
  /** How the model sees its latents. */
  readonly normalization: LatentNormalization;
  /** The latents. */
  readonly latents: DrawnLatents;
  /** The pictures that it makes of them. */
  readonly pictures: PictureModel;
}

/**
 * Finds the autoencoder of latents: the given one, or else the one that the run knows.
 *
 * @param wayOut what helps when it is not there any more
 * @throws InputError when it is not there any more, or is not that of the latents
 */
export async function findDecoder(
  given: string | undefined,
  latents: DrawnLatents,
  wayOut: string = usualWayOut,
): Promise<FoundDecoder> {
  const { settings, channels, inputSize } = latents;
  const weights = await readFrom(given, settings, wayOut);
  const { config, path } = weights;
  if (settings) requireEncoder(weights, settings);
  if (config.latentChannels !== channels) {
    throw new InputError(
      `${path}: decodes latents of ${config.latentChannels} channels, the model draws ${channels}`,
    );
  }
  const normalization = settings ?? publishedNormalization(weights);
  const pictures = { channels: config.channels, inputSize: spatialFactor(config) * inputSize };
  return { weights, normalization, latents, pictures };
}

async function readFrom(
  given: string | undefined,
  settings: LatentSettings | undefined,
  wayOut: string,
): Promise<AutoencoderKLWeights> {
  const path = given ?? settings!.autoencoder.path;
  const config = settings && checkAutoencoderKLConfig(settings.autoencoder.config, path);
  const reading = async () => await readAutoencoderKL(await findAutoencoderKL(path, "ema", config));
  return await recordedAutoencoder(given !== undefined, reading(), wayOut);
}

/** The scaling factor of an autoencoder, for weights without a run that would tell. */
function publishedNormalization({ config, path }: AutoencoderKLWeights): LatentNormalization {
  const { latentChannels, scalingFactor } = config;
  if (scalingFactor === undefined) {
    throw new InputError(
      `${path}: has no scaling factor, and the model does not say how it was scaled`,
    );
  }
  const each = (value: number): number[] => new Array<number>(latentChannels).fill(value);
  return { shift: each(0), scale: each(scalingFactor) };
}

/** Makes pictures of latents, one at a time. */
export class LatentDecoder implements PictureDecoder, Disposable {
  readonly path: string;
  readonly pictures: PictureModel;
  readonly #coder: PictureCoder;
  readonly #found: FoundDecoder;

  private constructor(coder: PictureCoder, found: FoundDecoder, readonly note: string) {
    this.#coder = coder;
    this.#found = found;
    this.path = found.weights.path;
    this.pictures = found.pictures;
  }

  /**
   * Takes the decoder into the memory that the device has left.
   *
   * @param tile side of tiles in pixels, if it was asked for
   */
  static async open(
    device: Device,
    found: FoundDecoder,
    tile: number | undefined,
  ): Promise<LatentDecoder> {
    const { weights, latents: { inputSize } } = found;
    const size = { height: inputSize, width: inputSize };
    const request = { half: "decode", batch: 1, size } as const;
    const { settings, note } = await codingOf(weights.config, request, device, tile);
    const coder = await PictureCoder.create(device, weights.config, settings, weights.values);
    return new LatentDecoder(coder, found, note);
  }

  /** Latents (n, c, I, I) as pictures (n, C, f I, f I). */
  async decode(latents: Float32Array): Promise<Float32Array> {
    const { normalization, latents: { channels, inputSize }, pictures } = this.#found;
    const length = channels * inputSize ** 2;
    const size = pictures.channels * pictures.inputSize ** 2;
    const given = decoderLatents(latents, normalization, inputSize ** 2);
    const decoded = new Float32Array(given.length / length * size);
    for (let index = 0; index * length < given.length; index++) {
      const one = given.subarray(index * length, (index + 1) * length);
      decoded.set(await this.#decoded(one), index * size);
    }
    return decoded;
  }

  /** The same for batch after batch. */
  async *decodeAll(batches: AsyncIterable<Float32Array>): AsyncGenerator<Float32Array> {
    for await (const batch of batches) yield await this.decode(batch);
  }

  async #decoded(latent: Float32Array): Promise<Float32Array> {
    const picture = await this.#coder.run(latent);
    const problem = describeNonFinite("the decoded picture", picture);
    if (problem === undefined) return picture;
    throw new NonFiniteCodecError(`${this.#found.weights.path}: ${problem}`);
  }

  /** Frees the decoder. */
  destroy(): void {
    this.#coder[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}
