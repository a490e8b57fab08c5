/**
 * Latents as a diffusion model sees them: samples of the posteriors of a cache, normalized channel by
 * channel, and back for the decoder (Rombach et al., arXiv:2112.10752, appendix G).
 *
 * @module
 */
import type { LatentNormalization, LatentSettings } from "../data/latents/cache.ts";
import { multiply, subtract } from "../kernels/ops/elementwise/op.ts";
import { randomNormal, type RandomSource } from "../kernels/ops/random/op.ts";
import { constantTensor, type Tensor } from "../kernels/tensor.ts";
import { posterior, samplePosterior } from "../nn/posterior.ts";
import { streams } from "./streams.ts";

/**
 * What training works on, of what a cache stores.
 *
 * @param stored (N, c, ...), or of posteriors (N, 2 c, ...)
 * @param source of the noise; its rows are the numbers of the samples
 * @returns (N, c, ...)
 */
export function trainingLatents(
  stored: Tensor,
  settings: Pick<LatentSettings, "posterior" | "shift" | "scale">,
  source: Omit<RandomSource, "stream">,
): Tensor {
  const latents = settings.posterior ? drawn(stored, source) : stored;
  const ones = stored.shape.slice(2).map(() => 1);
  const perChannel = (values: readonly number[]) =>
    constantTensor(Float32Array.from(values), [1, values.length, ...ones]);
  return multiply(subtract(latents, perChannel(settings.shift)), perChannel(settings.scale));
}

function drawn(moments: Tensor, source: Omit<RandomSource, "stream">): Tensor {
  const found = posterior(moments);
  const noise = randomNormal({ ...source, stream: streams.posterior }, found.mean.shape);
  return samplePosterior(found, noise);
}

/** Latents (N, c, ...) of a diffusion model as those that a decoder takes. */
export function decoderLatents(
  latents: Float32Array,
  { shift, scale }: LatentNormalization,
  positions: number,
): Float32Array {
  return latents.map((value, index) => {
    const channel = Math.floor(index / positions) % shift.length;
    return value / scale[channel] + shift[channel];
  });
}

/** Latents (N, c, ...) of an encoder as a diffusion model sees them. */
export function normalizedLatents(
  latents: Float32Array,
  { shift, scale }: LatentNormalization,
  positions: number,
): Float32Array {
  return latents.map((value, index) => {
    const channel = Math.floor(index / positions) % shift.length;
    return (value - shift[channel]) * scale[channel];
  });
}
