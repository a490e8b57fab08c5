/**
 * Encoding a data set into a cache of latents.
 *
 * @module
 */
import { resolve } from "@std/path";
import { describeNonFinite } from "../../base/finite.ts";
import { type ImageDataset, pictureLength } from "../../data/dataset.ts";
import type { CacheDescription, CacheManifest } from "../../data/latents/cache.ts";
import type { CacheWriter, EncodedPictures } from "../../data/latents/writer.ts";
import type { Device } from "../../kernels/device.ts";
import { type CodingSettings, PictureCoder } from "./codec.ts";
import { spatialFactor } from "./model.ts";
import { type AutoencoderKLWeights, NonFiniteAutoencoderError } from "./source.ts";
import type { Sides } from "../tiles.ts";

/** What the user chooses of a cache. */
export interface CacheChoices {
  /** Path of the pictures. */
  readonly dataPath: string;
  /** Whether mirrored pictures are encoded too. */
  readonly mirrored: boolean;
  /** How numbers are stored. */
  readonly type: CacheDescription["type"];
  /** Pictures of a file. */
  readonly shardLength: number;
}

/** Sides of the latents of a data set. */
export function latentSides(
  { config }: Pick<AutoencoderKLWeights, "config">,
  { height, width }: Pick<ImageDataset, "height" | "width">,
): Sides {
  const factor = spatialFactor(config);
  return { height: height / factor, width: width / factor };
}

/** What a cache of a data set says about itself. */
export function cacheDescription(
  weights: AutoencoderKLWeights,
  dataset: ImageDataset,
  { dataPath, mirrored, type, shardLength }: CacheChoices,
): CacheDescription {
  const { config, path, hash } = weights;
  const { channels, height, width, classNames, fingerprint, length } = dataset;
  return {
    format: "tessera-latents",
    version: 1,
    autoencoder: { config, path: resolve(path), hash },
    source: { path: dataPath, fingerprint, pictures: length },
    classNames: [...classNames],
    pixels: { channels, height, width },
    latent: { channels: config.latentChannels, ...latentSides(weights, dataset) },
    posterior: true,
    mirrored,
    type,
    shardLength,
  };
}

/** How pictures are encoded. */
export interface EncodingSettings {
  /** The way of the network. */
  readonly coding: CodingSettings;
  /** Whether mirrored pictures are encoded too. */
  readonly mirrored: boolean;
  /** Asks to stop after the batch at hand. */
  readonly signal?: AbortSignal;
  /** Called behind every batch, with the pictures that are encoded. */
  progress?(pictures: number): void;
}

/**
 * Encodes what is missing of a cache, file after file. Every file is made of the same batches, so that a
 * continued cache has the same bits.
 *
 * @throws NonFiniteAutoencoderError when the network puts out what is no number
 */
export async function encodeDataset(
  device: Device,
  weights: AutoencoderKLWeights,
  dataset: ImageDataset,
  writer: CacheWriter,
  settings: EncodingSettings,
): Promise<CacheManifest> {
  const { config, values } = weights;
  using coder = await PictureCoder.create(device, config, settings.coding, values);
  const encoder = new DatasetEncoder(coder, weights.path, dataset, settings);
  for (let count = writer.next; count > 0; count = writer.next) {
    await writer.add(await encoder.encode(writer.pictures, count));
  }
  return await writer.finish(weights.config.scalingFactor);
}

/** Encodes pictures of a data set in batches of one size. */
class DatasetEncoder {
  readonly #coder: PictureCoder;
  readonly #path: string;
  readonly #dataset: ImageDataset;
  readonly #settings: EncodingSettings;

  constructor(
    coder: PictureCoder,
    path: string,
    dataset: ImageDataset,
    settings: EncodingSettings,
  ) {
    this.#coder = coder;
    this.#path = path;
    this.#dataset = dataset;
    this.#settings = settings;
  }

  /** `count` pictures from `first` on. */
  async encode(first: number, count: number): Promise<EncodedPictures> {
    const { coding: { batch }, mirrored, signal, progress } = this.#settings;
    const [latents, mirroredLatents]: Float32Array[][] = [[], []];
    for (let done = 0; done < count; done += batch) {
      signal?.throwIfAborted();
      const taken = Math.min(batch, count - done);
      const pictures = await this.#read(first + done, taken);
      latents.push(await this.#moments(pictures, taken));
      if (mirrored) {
        mirrorRows(pictures, this.#dataset.width);
        mirroredLatents.push(await this.#moments(pictures, taken));
      }
      progress?.(first + done + taken);
    }
    return {
      latents: joined(latents),
      mirrored: mirrored ? joined(mirroredLatents) : undefined,
      labels: Int32Array.from({ length: count }, (_, index) => this.#dataset.label(first + index)),
    };
  }

  /** A batch; one that has too few pictures is filled up with its last. */
  async #read(first: number, taken: number): Promise<Float32Array> {
    const { batch } = this.#settings.coding;
    const pictures = new Float32Array(batch * pictureLength(this.#dataset));
    const indices = Array.from({ length: batch }, (_, i) => first + Math.min(i, taken - 1));
    await this.#dataset.read(indices, pictures);
    return pictures;
  }

  /** The moments of the first `taken` pictures of a batch. */
  async #moments(pictures: Float32Array, taken: number): Promise<Float32Array> {
    const moments = await this.#coder.run(pictures);
    const problem = describeNonFinite("the latents", moments);
    if (problem !== undefined) throw new NonFiniteAutoencoderError(`${this.#path}: ${problem}`);
    return moments.subarray(0, moments.length / this.#settings.coding.batch * taken);
  }
}

/** Mirrors rows of pictures left to right, in place. */
function mirrorRows(pictures: Float32Array, width: number): void {
  for (let row = 0; row < pictures.length; row += width) {
    pictures.subarray(row, row + width).reverse();
  }
}

function joined(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}
