/**
 * Cases of an autoencoder, both halves: `input.image` (N, C, H, W) to `output.moments` (N, 2 c, h, w),
 * `input.latent` (N, c, h, w) to `output.image`, and gradients of both inputs and the parameters.
 *
 * @module
 */
import type { VerificationCase } from "../../evaluation/verify/verification.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Parameters, WeightType } from "../../nn/parameters.ts";
import { readCodecCase } from "../codec_case.ts";
import { autoencoderKLCodec } from "./graph.ts";
import { type AutoencoderKLConfig, autoencoderKLParameters, decode, encode } from "./model.ts";

/**
 * Reads and checks a case.
 *
 * @param weights how the weights are stored on the device
 * @throws InputError naming the file, the tensor and what does not fit
 */
export function readAutoencoderKLCase(
  path: string,
  config: AutoencoderKLConfig,
  weights: WeightType = "f32",
): Promise<VerificationCase> {
  const codec = {
    family: "VAE",
    specifications: autoencoderKLParameters(config),
    grid: autoencoderKLCodec.grid(config),
    pixels: { name: "image", channels: config.channels, areClips: false },
    code: "moments",
    encode: (of: Parameters, image: Tensor) => encode(config, of, image),
    decode: (of: Parameters, latent: Tensor) => decode(config, of, latent),
  };
  return readCodecCase(path, codec, weights);
}
