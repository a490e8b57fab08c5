/**
 * Cases of an autoencoder, both halves: `input.image` (N, C, H, W) to `output.moments` (N, 2 c, h, w),
 * `input.latent` (N, c, h, w) to `output.image`, and gradients of both inputs and the parameters.
 *
 * @module
 */
import { checkNames, misfit, readAnswers, readFloats } from "../../evaluation/verify/case_file.ts";
import { makeCase, type VerificationCase } from "../../evaluation/verify/verification.ts";
import { openSafetensors, type TensorReader } from "../../formats/tensors/safetensors.ts";
import type { Shape } from "../../kernels/shape.ts";
import { input } from "../../kernels/tensor.ts";
import { lookup, parameterStates, type WeightType } from "../../nn/parameters.ts";
import { checkClipSize } from "../codec.ts";
import { autoencoderKLCodec } from "./graph.ts";
import { type AutoencoderKLConfig, autoencoderKLParameters, decode, encode } from "./model.ts";

/**
 * Reads and checks a case.
 *
 * @param weights how the weights are stored on the device
 * @throws InputError naming the file, the tensor and what does not fit
 */
export async function readAutoencoderKLCase(
  path: string,
  config: AutoencoderKLConfig,
  weights: WeightType = "f32",
): Promise<VerificationCase> {
  using reader = await openSafetensors(path);
  const specifications = autoencoderKLParameters(config);
  checkNames(reader, {
    family: "VAE",
    inputs: ["image", "latent"],
    outputs: ["moments", "image"],
    sources: ["image", "latent", ...specifications.map(({ name }) => name)],
  });
  const { images, latents } = shapesOf(reader, config);
  const [image, latent] = [input("image", images), input("latent", latents)];
  const parameters = parameterStates(specifications, weights);
  const of = lookup(parameters);
  const outputs = {
    moments: encode(config, of, image),
    image: decode(config, of, latent),
  };
  const sources = new Map([["image", image], ["latent", latent], ...parameters]);
  return makeCase({
    inputs: {
      image: readFloats(reader, "input.image", images),
      latent: readFloats(reader, "input.latent", latents),
    },
    ...readAnswers(reader, outputs, sources),
    sources,
    weights,
  });
}

/** The shapes of both inputs, by that of the pictures. */
function shapesOf(
  reader: TensorReader,
  config: AutoencoderKLConfig,
): { readonly images: Shape; readonly latents: Shape } {
  const info = reader.info("input.image");
  const [batch, channels, height, width] = info.shape;
  if (info.shape.length !== 4 || batch < 1 || channels !== config.channels) {
    throw misfit(reader, info, `(N, ${config.channels}, H, W) with N at least 1`);
  }
  const grid = autoencoderKLCodec.grid(config);
  checkClipSize(grid, { frames: 1, height, width }, `${reader.path}: input.image`);
  return {
    images: info.shape,
    latents: [batch, grid.channels, height / grid.side, width / grid.side],
  };
}
