/**
 * Causal tokenizers traced on inputs of their own.
 *
 * @module
 */
import { input } from "../../kernels/tensor.ts";
import { lookup, parameterStates, within } from "../../nn/parameters.ts";
import { type ClipSize, type CodecFace, type CodecSample, codecSample } from "../codec.ts";
import type { AskedSize, TracedModel, WorkSize } from "../family.ts";
import {
  type CausalTokenizerConfig,
  causalTokenizerParameters,
  colours,
  decoder,
  encoder,
  spatialFactor,
  temporalFactor,
} from "./model.ts";

/** Both halves with parameters of one tokenizer. */
export const causalTokenizerCodec: CodecFace<CausalTokenizerConfig> = {
  grid: (config) => ({
    channels: config.latentChannels,
    frames: temporalFactor(config),
    side: spatialFactor(config),
  }),
  encode: (config, parameters, pixels, past) =>
    encoder(config, within(parameters, "encoder"), pixels, past),
  decode: (config, parameters, latents, past) =>
    decoder(config, within(parameters, "decoder"), latents, past),
};

/** The clips that the paper's tokenizers are trained on; of pictures, those of ImageNet. */
function usualClip({ temporalKernel }: CausalTokenizerConfig): ClipSize {
  return temporalKernel === 1
    ? { frames: 1, height: 256, width: 256 }
    : { frames: 17, height: 128, width: 128 };
}

/**
 * A clip to be counted and timed on, and the positions of its latent as tokens.
 *
 * @throws InputError with the nearest valid values for a size that the tokenizer does not take
 */
export function causalTokenizerSample(
  config: CausalTokenizerConfig,
  asked: AskedSize,
): CodecSample {
  return codecSample(causalTokenizerCodec.grid(config), usualClip(config), asked, "clip");
}

/** Traces clips `video` (N, 3, frames, H, W) to their latents and back. */
export function traceCausalTokenizer(
  config: CausalTokenizerConfig,
  { batch, clip = usualClip(config), weights }: Omit<WorkSize, "tokens">,
): TracedModel {
  const { frames, height, width } = clip;
  const parameters = parameterStates(causalTokenizerParameters(config), weights);
  const of = lookup(parameters);
  const video = input("video", [batch, colours, frames, height, width]);
  const latent = causalTokenizerCodec.encode(config, of, video);
  return { out: causalTokenizerCodec.decode(config, of, latent), parameters };
}
