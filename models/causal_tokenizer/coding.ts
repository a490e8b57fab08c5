/**
 * A tokenizer at work: its halves in the memory of a device, divided so that they fit.
 *
 * @module
 */
import { describeNonFinite } from "../../base/finite.ts";
import type { TensorReader } from "../../formats/tensors/safetensors.ts";
import type { Device } from "../../kernels/device.ts";
import { latentSize, NonFiniteCodecError } from "../codec.ts";
import {
  type Codec,
  Coder,
  codingMemory,
  type CodingPlan,
  type CodingRequest,
  planCoding,
} from "../coder.ts";
import { type CachedLatents, encoderHash } from "../encode.ts";
import { clipOf, type TokenizerData } from "./data.ts";
import { causalTokenizerCodec } from "./graph.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters } from "./model.ts";
import type { TokenizerSource } from "./source.ts";

/** One half of a tokenizer at work. */
export interface TokenizerCoding {
  /** Frees itself with its block (`using`). */
  readonly coder: Coder;
  /** How clips are divided. */
  readonly plan: CodingPlan;
  /** Bytes that the device holds while it works, what was taken before included. */
  readonly bytes: number;
}

/** A tokenizer as what codes clips takes it. */
export const tokenizerCodec = (config: CausalTokenizerConfig): Codec => ({
  face: causalTokenizerCodec,
  config,
  specifications: causalTokenizerParameters(config),
} as unknown as Codec);

/**
 * Takes a half into the memory that a device has left.
 *
 * @throws InputError when not even the smallest parts of a clip fit
 * @throws NonFiniteCodecError when a weight is not finite
 */
export async function openTokenizerCoder(
  device: Device,
  config: CausalTokenizerConfig,
  weights: TensorReader,
  request: CodingRequest,
): Promise<TokenizerCoding> {
  const codec = tokenizerCodec(config);
  const target = { kind: device.kind, threads: 0, taken: device.allocatedBytes };
  const plan = await planCoding(codec, request, target);
  const settings = { ...request, ...plan };
  const bytes = codingMemory(codec, settings, target);
  const load = (name: string) => finiteWeight(weights, name);
  return { coder: Coder.create(device, codec, settings, load), plan, bytes };
}

/** The values of a parameter, which must be finite. */
function finiteWeight(weights: TensorReader, name: string): Float32Array {
  const values = weights.readFloat32(name);
  const problem = describeNonFinite(name, values);
  if (problem === undefined) return values;
  throw new NonFiniteCodecError(`${weights.path}: ${problem}`);
}

/** Identifies the encoder of a tokenizer. */
export function tokenizerHash(config: CausalTokenizerConfig, weights: TensorReader): string {
  const names = causalTokenizerParameters(config).map(({ name }) => name)
    .filter((name) => name.startsWith("encoder."));
  return encoderHash(config, names, (name) => weights.readFloat32(name));
}

/** What caches say of the latents of a data set. Latents of pictures have no frames. */
export function tokenizerLatents(
  { config, path }: TokenizerSource,
  weights: TensorReader,
  data: TokenizerData,
): CachedLatents {
  const hash = tokenizerHash(config, weights);
  const grid = causalTokenizerCodec.grid(config);
  const { frames, height, width } = latentSize(grid, clipOf(data));
  return {
    autoencoder: { config, path, hash },
    latent: {
      channels: grid.channels,
      frames: data.frames === undefined ? undefined : frames,
      height,
      width,
    },
    posterior: false,
  };
}
