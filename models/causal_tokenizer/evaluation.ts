/**
 * How well a tokenizer brings clips back, and what its latents are like.
 *
 * @module
 */
import { firstNonFinite } from "../../base/finite.ts";
import { pictureLength } from "../../data/dataset.ts";
import type { TensorReader } from "../../formats/tensors/safetensors.ts";
import type { Device } from "../../kernels/device.ts";
import { type ClipQuality, clipQuality, type ValueClip } from "../../metrics/reconstruction.ts";
import { type ClipSize, NonFiniteCodecError } from "../codec.ts";
import type { CodingPlan, Direction } from "../coder.ts";
import { openTokenizerCoder } from "./coding.ts";
import { clipOf, type TokenizerData } from "./data.ts";
import { type CausalTokenizerConfig, colours } from "./model.ts";

/** What a channel of the latents is like. */
export interface LatentChannel {
  readonly mean: number;
  /** Standard deviation over all positions of all clips. */
  readonly deviation: number;
}

/** What was measured. */
export interface TokenizerEvaluation {
  /** One for each clip, in order. */
  readonly qualities: readonly ClipQuality[];
  /** One for each channel. */
  readonly latents: readonly LatentChannel[];
  /** The first clips and what became of them, (3, frames, H, W) in [-1, 1], not clamped. */
  readonly shown: readonly { readonly original: Float32Array; readonly other: Float32Array }[];
}

/** What is evaluated, and how. */
export interface TokenizerEvaluationOptions {
  /** Numbers of the clips. */
  readonly indices: readonly number[];
  /** How many of the first are kept to be shown. */
  readonly shown: number;
  /** Asks to stop between two chunks. */
  readonly signal?: AbortSignal;
  /** Hears how clips are divided, and what memory that takes, in bytes. */
  readonly planned?: (direction: Direction, plan: CodingPlan, bytes: number) => void;
  /** The part of all work that is done. */
  readonly progress?: (share: number) => void;
}

/** Where clips are coded. */
interface ClipCoding {
  readonly device: Device;
  readonly config: CausalTokenizerConfig;
  readonly weights: TensorReader;
  readonly clip: ClipSize;
}

/** Brings clips to latents and back, one by one, and compares. */
export async function evaluateTokenizer(
  device: Device,
  config: CausalTokenizerConfig,
  weights: TensorReader,
  data: TokenizerData,
  options: TokenizerEvaluationOptions,
): Promise<TokenizerEvaluation> {
  const clip = clipOf(data);
  const coding = { device, config, weights, clip };
  const original = async (place: number): Promise<Float32Array> => {
    const values = new Float32Array(pictureLength(data));
    await data.read([options.indices[place]], values);
    return values;
  };
  // One direction after the other, so that only its weights are in memory.
  const latents: Float32Array[] = [];
  await codeClips(coding, "encode", options, original, (_, values) => void latents.push(values));
  const qualities: ClipQuality[] = [];
  const shown: { original: Float32Array; other: Float32Array }[] = [];
  const latent = (place: number) => Promise.resolve(latents[place]);
  await codeClips(coding, "decode", options, latent, async (place, other) => {
    const pair = { original: await original(place), other };
    qualities.push(clipQuality(unitClip(pair.original, clip), unitClip(other, clip)));
    if (place < options.shown) shown.push(pair);
  });
  return { qualities, latents: channelStatistics(latents, config.latentChannels), shown };
}

/** Codes all clips in one direction, divided so that it fits into memory. */
async function codeClips(
  { device, config, weights, clip }: ClipCoding,
  direction: Direction,
  { indices, signal, planned, progress }: TokenizerEvaluationOptions,
  input: (place: number) => Promise<Float32Array>,
  output: (place: number, values: Float32Array) => Promise<void> | void,
): Promise<void> {
  const request = { direction, batch: 1, clip };
  const { coder: found, plan, bytes } = await openTokenizerCoder(device, config, weights, request);
  using coder = found;
  planned?.(direction, plan, bytes);
  const before = direction === "encode" ? 0 : indices.length;
  for (const place of indices.keys()) {
    const values = await coder.run(await input(place), async (done, total) => {
      progress?.((before + place + done / total) / (2 * indices.length));
      await new Promise((resolve) => setTimeout(resolve, 0));
      signal?.throwIfAborted();
    });
    requireFinite(values, direction, indices[place]);
    await output(place, values);
  }
}

/** A clip with values of [-1, 1] as one with values of [0, 1]. */
const unitClip = (values: Float32Array, clip: ClipSize): ValueClip => ({
  ...clip,
  channels: colours,
  values: values.map(toUnit),
});

/** A value of [-1, 1] in [0, 1]; what lies outside is clamped, as a picture is. */
const toUnit = (value: number): number => Math.min(1, Math.max(0, (value + 1) / 2));

function requireFinite(values: Float32Array, direction: string, index: number): void {
  const bad = firstNonFinite(values);
  if (bad < 0) return;
  throw new NonFiniteCodecError(
    `${direction}: clip ${index} comes out with ${values[bad]} at element ${bad}`,
  );
}

/** Mean and deviation of each channel of latents (1, c, f, h, w). */
function channelStatistics(
  latents: readonly Float32Array[],
  channels: number,
): LatentChannel[] {
  return Array.from({ length: channels }, (_, channel) => {
    const parts = latents.map((values) => {
      const length = values.length / channels;
      return values.subarray(channel * length, (channel + 1) * length);
    });
    const count = parts.reduce((sum, { length }) => sum + length, 0);
    const sumOf = (of: (value: number) => number): number =>
      parts.reduce((sum, part) => part.reduce((total, value) => total + of(value), sum), 0);
    const mean = sumOf((value) => value) / count;
    return { mean, deviation: Math.sqrt(sumOf((value) => (value - mean) ** 2) / count) };
  });
}
