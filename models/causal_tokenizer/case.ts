/**
 * Cases of a causal tokenizer, both halves: `input.video` (N, 3, frames, H, W) to `output.latent`
 * (N, c, f, h, w), `input.latent` to `output.video`, and gradients of both inputs and the parameters.
 *
 * @module
 */
import type { VerificationCase } from "../../evaluation/verify/verification.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Parameters, WeightType } from "../../nn/parameters.ts";
import { readCodecCase } from "../codec_case.ts";
import { causalTokenizerCodec } from "./graph.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters, colours } from "./model.ts";

/**
 * Reads and checks a case.
 *
 * @param weights how the weights are stored on the device
 * @throws InputError naming the file, the tensor and what does not fit
 */
export function readCausalTokenizerCase(
  path: string,
  config: CausalTokenizerConfig,
  weights: WeightType = "f32",
): Promise<VerificationCase> {
  const { grid, encode, decode } = causalTokenizerCodec;
  const codec = {
    family: "causal tokenizer",
    specifications: causalTokenizerParameters(config),
    grid: grid(config),
    pixels: { name: "video", channels: colours, areClips: true },
    code: "latent",
    encode: (of: Parameters, video: Tensor) => encode(config, of, video),
    decode: (of: Parameters, latent: Tensor) => decode(config, of, latent),
  };
  return readCodecCase(path, codec, weights);
}
