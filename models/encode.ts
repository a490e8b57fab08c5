/**
 * Encoding a data set into a cache of latents, whatever network encodes.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { resolve } from "@std/path";
import { describeNonFinite } from "../base/finite.ts";
import type { ClipCuts } from "../data/clips/cuts.ts";
import { type ImageDataset, pictureLength } from "../data/dataset.ts";
import type {
  CacheDescription,
  CacheManifest,
  LatentAutoencoder,
  PlaneSizes,
} from "../data/latents/cache.ts";
import type { CacheWriter, EncodedSamples } from "../data/latents/writer.ts";
import { NonFiniteCodecError } from "./codec.ts";
import type { SampleCoder } from "./coder.ts";

/** What the user chooses of a cache. */
export interface CacheChoices {
  /** Path of the pictures or clips. */
  readonly dataPath: string;
  /** How clips are cut out of videos; absent for pictures. */
  readonly cuts?: ClipCuts;
  /** Whether mirrored samples are encoded too. */
  readonly mirrored: boolean;
  /** How numbers are stored. */
  readonly type: CacheDescription["type"];
  /** Samples of a file. */
  readonly shardLength: number;
}

/** What is known of the network that encodes. */
export interface CachedLatents {
  readonly autoencoder: LatentAutoencoder;
  /** Channels and sides of a latent. */
  readonly latent: PlaneSizes;
  /** Whether moments of a posterior are stored. */
  readonly posterior: boolean;
}

/** A data set, of which clips know their rate and where they come from. */
type EncodedDataset = ImageDataset & {
  fps?(index: number): number;
  clipName?(index: number): string;
};

/** What a cache of a data set says about itself. */
export function cacheDescription(
  { autoencoder, latent, posterior }: CachedLatents,
  dataset: EncodedDataset,
  { dataPath, cuts, mirrored, type, shardLength }: CacheChoices,
): CacheDescription {
  const { channels, frames, height, width, classNames, fingerprint, length } = dataset;
  const fps = usualRate(dataset);
  return {
    format: "tessera-latents",
    version: 1,
    autoencoder: { ...autoencoder, path: resolve(autoencoder.path) },
    source: {
      ...{ path: dataPath, fingerprint, pictures: length },
      ...(fps !== undefined && { fps }),
      ...(cuts && { cuts }),
    },
    classNames: [...classNames],
    pixels: sizesOf({ channels, frames, height, width }),
    latent: sizesOf(latent),
    posterior,
    mirrored,
    type,
    shardLength,
  };
}

/** Sizes in the order of the file, without frames where there are none. */
const sizesOf = ({ channels, frames, height, width }: PlaneSizes): PlaneSizes => ({
  channels,
  ...(frames !== undefined && { frames }),
  height,
  width,
});

/** Frames a second of the clips: the median, where they differ. */
function usualRate({ fps, length }: EncodedDataset): number | undefined {
  if (!fps) return undefined;
  const rates = Float64Array.from({ length }, (_, index) => fps(index)).sort();
  // Times of frames are rounded in files, so that rates differ in their last digits.
  return Number(rates[Math.floor(length / 2)].toPrecision(9));
}

/**
 * Identifies an encoder, which decides what latents mean, under whatever names a file has its weights:
 * decoders for it may differ.
 *
 * @param architecture what decides the size and shape of the network
 * @param names of the encoder's parameters
 */
export function encoderHash(
  architecture: object,
  names: Iterable<string>,
  values: (name: string) => Float32Array,
): string {
  const hash = createHash("sha256").update(JSON.stringify(Object.entries(architecture).sort()));
  for (const name of names) hash.update(name).update(values(name));
  return hash.digest("hex");
}

/** How samples are encoded. */
export interface EncodingSettings {
  /** Whether mirrored samples are encoded too. */
  readonly mirrored: boolean;
  /** What latents are multiplied by, where the encoder is published with that. */
  readonly scalingFactor?: number;
  /** Asks to stop after the part at hand. */
  readonly signal?: AbortSignal;
  /** Called behind every batch, with the samples that are encoded. */
  progress?(samples: number): void;
}

/**
 * Encodes what is missing of a cache, file after file. Every file is made of the same batches, so that a
 * continued cache has the same bits.
 *
 * @throws NonFiniteCodecError when the network puts out what is no number
 */
export async function encodeDataset(
  encoder: SampleCoder,
  dataset: ImageDataset,
  writer: CacheWriter,
  settings: EncodingSettings,
): Promise<CacheManifest> {
  const encoding = new DatasetEncoder(encoder, dataset, settings);
  for (let count = writer.next; count > 0; count = writer.next) {
    await writer.add(await encoding.encode(writer.samples, count));
  }
  return await writer.finish(settings.scalingFactor);
}

/** Encodes samples of a data set in batches of one size. */
class DatasetEncoder {
  readonly #encoder: SampleCoder;
  readonly #dataset: EncodedDataset;
  readonly #settings: EncodingSettings;

  constructor(encoder: SampleCoder, dataset: EncodedDataset, settings: EncodingSettings) {
    this.#encoder = encoder;
    this.#dataset = dataset;
    this.#settings = settings;
  }

  /** `count` samples from `first` on. */
  async encode(first: number, count: number): Promise<EncodedSamples> {
    const { mirrored, progress } = this.#settings;
    const { batch } = this.#encoder;
    const [latents, mirroredLatents]: Float32Array[][] = [[], []];
    for (let done = 0; done < count; done += batch) {
      await this.#pause();
      const taken = Math.min(batch, count - done);
      const samples = await this.#read(first + done, taken);
      latents.push(await this.#latents(samples, taken));
      if (mirrored) {
        mirrorRows(samples, this.#dataset.width);
        mirroredLatents.push(await this.#latents(samples, taken));
      }
      progress?.(first + done + taken);
    }
    const indices = Array.from({ length: count }, (_, index) => first + index);
    const { clipName, fps } = this.#dataset;
    return {
      latents: joined(latents),
      mirrored: mirrored ? joined(mirroredLatents) : undefined,
      labels: Int32Array.from(indices, (index) => this.#dataset.label(index)),
      names: clipName && indices.map((index) => clipName(index)),
      rates: fps && indices.map((index) => fps(index)),
    };
  }

  /** Lets signals come in, and stops where one has asked for it. */
  readonly #pause = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#settings.signal?.throwIfAborted();
  };

  /** A batch; one that has too few samples is filled up with its last. */
  async #read(first: number, taken: number): Promise<Float32Array> {
    const { batch } = this.#encoder;
    const samples = new Float32Array(batch * pictureLength(this.#dataset));
    const indices = Array.from({ length: batch }, (_, i) => first + Math.min(i, taken - 1));
    await this.#dataset.read(indices, samples);
    return samples;
  }

  /** What is stored of the first `taken` samples of a batch. */
  async #latents(samples: Float32Array, taken: number): Promise<Float32Array> {
    const { batch, path } = this.#encoder;
    const latents = await this.#encoder.run(samples, this.#pause);
    const problem = describeNonFinite("the latents", latents);
    if (problem !== undefined) throw new NonFiniteCodecError(`${path}: ${problem}`);
    return latents.subarray(0, latents.length / batch * taken);
  }
}

/** Mirrors rows of samples left to right, in place. */
function mirrorRows(samples: Float32Array, width: number): void {
  for (let row = 0; row < samples.length; row += width) {
    samples.subarray(row, row + width).reverse();
  }
}

/** Parts one behind the other. */
export function joined(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}
