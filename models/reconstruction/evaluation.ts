/**
 * How well a codec brings pictures or clips back.
 *
 * @module
 */
import { describeNonFinite } from "../../base/finite.ts";
import { type ImageDataset, pictureLength } from "../../data/dataset.ts";
import { type ClipQuality, clipQuality, type ValueClip } from "../../metrics/reconstruction.ts";
import { NonFiniteCodecError } from "../codec.ts";
import type { Direction, SampleCoder } from "../coder.ts";

/** A codec that is evaluated, or what of it is not the same for all of them. */
export interface ReconstructingCodec {
  /** Takes one direction into memory, the other one having left it. */
  open(direction: Direction): Promise<SampleCoder & Disposable>;
  /** What is decoded, of what the encoder puts out for a sample. */
  decoded(encoded: Float32Array): Float32Array;
}

/** What is evaluated, and how. */
export interface ReconstructionOptions {
  /** Numbers of the samples. */
  readonly indices: readonly number[];
  /** How many of the first are kept to be shown. */
  readonly shown: number;
  /** Asks to stop between two parts of the work. */
  readonly signal?: AbortSignal;
  /** The part of all work that is done. */
  readonly progress?: (share: number) => void;
}

/** What came back. */
export interface Reconstructions {
  /** One for each sample, in order. */
  readonly qualities: readonly ClipQuality[];
  /** What the encoder puts out for each. */
  readonly encoded: readonly Float32Array[];
  /** The first samples and what became of them, (C, F, H, W) in [-1, 1], not clamped. */
  readonly shown: readonly { readonly original: Float32Array; readonly other: Float32Array }[];
}

/**
 * Brings samples to latents and back, and compares.
 *
 * @throws NonFiniteCodecError when the codec puts out what is no number
 */
export async function reconstruct(
  data: ImageDataset,
  codec: ReconstructingCodec,
  options: ReconstructionOptions,
): Promise<Reconstructions> {
  const { indices } = options;
  const original = async (place: number): Promise<Float32Array> => {
    const values = new Float32Array(pictureLength(data));
    await data.read([indices[place]], values);
    return values;
  };
  // One direction after the other, so that only its weights are in memory.
  const encoded: Float32Array[] = [];
  const keep = (_: number, values: Float32Array) => void encoded.push(values);
  await codeAll(codec, "encode", options, original, keep);
  const qualities: ClipQuality[] = [];
  const shown: { original: Float32Array; other: Float32Array }[] = [];
  const latent = (place: number) => Promise.resolve(codec.decoded(encoded[place]));
  await codeAll(codec, "decode", options, latent, async (place, other) => {
    const pair = { original: await original(place), other };
    qualities.push(sampleQuality(pair.original, other, data));
    if (place < options.shown) shown.push(pair);
  });
  return { qualities, encoded, shown };
}

/** Codes all samples in one direction; the last batch is filled up with its last sample. */
async function codeAll(
  codec: ReconstructingCodec,
  direction: Direction,
  { indices, signal, progress }: ReconstructionOptions,
  input: (place: number) => Promise<Float32Array>,
  output: (place: number, values: Float32Array) => Promise<void> | void,
): Promise<void> {
  using coder = await codec.open(direction);
  const { batch, path } = coder;
  const before = direction === "encode" ? 0 : indices.length;
  for (let first = 0; first < indices.length; first += batch) {
    const taken = Math.min(batch, indices.length - first);
    const samples: Float32Array[] = [];
    for (let place = 0; place < taken; place++) samples.push(await input(first + place));
    const values = await coder.run(joinedBatch(samples, batch), async (done, total) => {
      progress?.((before + first + taken * done / total) / (2 * indices.length));
      await new Promise((resolve) => setTimeout(resolve, 0));
      signal?.throwIfAborted();
    });
    const length = values.length / batch;
    for (let place = 0; place < taken; place++) {
      const one = values.slice(place * length, (place + 1) * length);
      const problem = describeNonFinite(`${direction}: sample ${indices[first + place]}`, one);
      if (problem !== undefined) throw new NonFiniteCodecError(`${path}: ${problem}`);
      await output(first + place, one);
    }
  }
}

function joinedBatch(samples: readonly Float32Array[], batch: number): Float32Array {
  const { length } = samples[0];
  const joined = new Float32Array(batch * length);
  for (let place = 0; place < batch; place++) {
    joined.set(samples[Math.min(place, samples.length - 1)], place * length);
  }
  return joined;
}

/** How near a sample is to its original, both (C, F, H, W) in [-1, 1]; what lies outside is clamped. */
export const sampleQuality = (
  original: Float32Array,
  other: Float32Array,
  data: ImageDataset,
): ClipQuality => clipQuality(unitClip(original, data), unitClip(other, data));

/** A sample with values of [-1, 1] as one with values of [0, 1]. */
const unitClip = (
  values: Float32Array,
  { channels, frames = 1, height, width }: ImageDataset,
): ValueClip => ({ channels, frames, height, width, values: values.map(toUnit) });

/** A value of [-1, 1] in [0, 1]; what lies outside is clamped, as a picture is. */
const toUnit = (value: number): number => Math.min(1, Math.max(0, (value + 1) / 2));

/** What a channel of the latents is like. */
export interface LatentChannel {
  readonly mean: number;
  /** Standard deviation over all positions of all samples. */
  readonly deviation: number;
}

/**
 * Mean and deviation of each channel of latents (c, ...).
 *
 * @param variances of each number, where latents are posteriors: the deviation is that of their samples
 */
export function channelStatistics(
  latents: readonly Float32Array[],
  channels: number,
  variances?: readonly Float32Array[],
): LatentChannel[] {
  return Array.from({ length: channels }, (_, channel) => {
    const partsOf = (all: readonly Float32Array[]) =>
      all.map((values) => {
        const length = values.length / channels;
        return values.subarray(channel * length, (channel + 1) * length);
      });
    const averageOf = (all: readonly Float32Array[], of: (value: number) => number): number => {
      const parts = partsOf(all);
      const count = parts.reduce((sum, { length }) => sum + length, 0);
      const total = parts.reduce(
        (sum, part) => part.reduce((sum, value) => sum + of(value), sum),
        0,
      );
      return total / count;
    };
    const mean = averageOf(latents, (value) => value);
    const spread = averageOf(latents, (value) => (value - mean) ** 2);
    const drawn = variances ? averageOf(variances, (value) => value) : 0;
    return { mean, deviation: Math.sqrt(spread + drawn) };
  });
}
