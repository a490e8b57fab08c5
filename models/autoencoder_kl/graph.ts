/**
 * Autoencoders traced on inputs of their own, and as codecs of clips.
 *
 * @module
 */
import { permute, reshape } from "../../kernels/ops/movement/op.ts";
import { input, type Tensor } from "../../kernels/tensor.ts";
import { lookup, type Parameters, parameterStates } from "../../nn/parameters.ts";
import { posterior } from "../../nn/posterior.ts";
import { type ClipSize, type CodecFace, type CodecSample, codecSample } from "../codec.ts";
import type { AskedSize, TracedModel, WorkSize } from "../family.ts";
import {
  type AutoencoderKLConfig,
  autoencoderKLParameters,
  decode,
  encode,
  spatialFactor,
} from "./model.ts";

/** The mean of the latent's posterior, and the decoder: frame by frame, pictures being single frames. */
export const autoencoderKLCodec: CodecFace<AutoencoderKLConfig> = {
  grid: (config) => ({ channels: config.latentChannels, frames: 1, side: spatialFactor(config) }),
  encode: (config, parameters, pixels) =>
    byFrame(pixels, (frames) => encodeMean(config, parameters, frames)),
  decode: (config, parameters, latents) =>
    byFrame(latents, (frames) => decode(config, parameters, frames)),
};

/** Pictures (N, C, H, W) to the means of their posteriors (N, c, h, w). */
function encodeMean(config: AutoencoderKLConfig, parameters: Parameters, image: Tensor): Tensor {
  return posterior(encode(config, parameters, image)).mean;
}

/** Applies what is for pictures to each frame of clips (N, C, T, H, W). */
function byFrame(clips: Tensor, network: (pictures: Tensor) => Tensor): Tensor {
  const [batch, , frames] = clips.shape;
  const ordered = permute(clips, [0, 2, 1, 3, 4]);
  const out = network(reshape(ordered, [batch * frames, ...ordered.shape.slice(2)]));
  return permute(reshape(out, [batch, frames, ...out.shape.slice(1)]), [0, 2, 1, 3, 4]);
}

/** A picture of the training set of Stable Diffusion's autoencoder. */
const usualClip: ClipSize = { frames: 1, height: 256, width: 256 };

/**
 * A picture to be counted and timed on, and the positions of its latent as tokens.
 *
 * @throws InputError with the nearest valid values for a side that the autoencoder does not take
 */
export function autoencoderKLSample(
  config: AutoencoderKLConfig,
  asked: AskedSize,
): CodecSample {
  return codecSample(autoencoderKLCodec.grid(config), usualClip, asked, "picture");
}

/** Traces pictures `image` (N, C, H, W), frames of clips one after the other, to the means of their
 * latents and back. */
export function traceAutoencoderKL(
  config: AutoencoderKLConfig,
  { batch, clip = usualClip, weights }: Omit<WorkSize, "tokens">,
): TracedModel {
  const { frames, height, width } = clip;
  const parameters = parameterStates(autoencoderKLParameters(config), weights);
  const of = lookup(parameters);
  const image = input("image", [batch * frames, config.channels, height, width]);
  return { out: decode(config, of, encodeMean(config, of, image)), parameters };
}
