/**
 * Cases of a causal tokenizer, both halves: `input.video` (N, 3, frames, H, W) to `output.latent`
 * (N, c, f, h, w), `input.latent` to `output.video`, and gradients of both inputs and the parameters, which
 * either cotangent gives for its half.
 *
 * @module
 */
import { checkNames, misfit, readAnswers, readFloats } from "../../evaluation/verify/case_file.ts";
import { makeCase, type VerificationCase } from "../../evaluation/verify/verification.ts";
import { openSafetensors, type TensorReader } from "../../formats/tensors/safetensors.ts";
import type { Shape } from "../../kernels/shape.ts";
import { input } from "../../kernels/tensor.ts";
import { lookup, parameterStates, type WeightType } from "../../nn/parameters.ts";
import { checkClipSize, latentSize } from "../codec.ts";
import { causalTokenizerCodec } from "./graph.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters, colours } from "./model.ts";

/**
 * Reads and checks a case.
 *
 * @param weights how the weights are stored on the device
 * @throws InputError naming the file, the tensor and what does not fit
 */
export async function readCausalTokenizerCase(
  path: string,
  config: CausalTokenizerConfig,
  weights: WeightType = "f32",
): Promise<VerificationCase> {
  using reader = await openSafetensors(path);
  const specifications = causalTokenizerParameters(config);
  checkNames(reader, {
    family: "causal tokenizer",
    inputs: ["video", "latent"],
    outputs: ["latent", "video"],
    sources: ["video", "latent", ...specifications.map(({ name }) => name)],
  });
  const { pixels, latents } = shapesOf(reader, config);
  const [video, latent] = [input("video", pixels), input("latent", latents)];
  const parameters = parameterStates(specifications, weights);
  const of = lookup(parameters);
  const outputs = {
    latent: causalTokenizerCodec.encode(config, of, video),
    video: causalTokenizerCodec.decode(config, of, latent),
  };
  const sources = new Map([["video", video], ["latent", latent], ...parameters]);
  return makeCase({
    inputs: {
      video: readFloats(reader, "input.video", pixels),
      latent: readFloats(reader, "input.latent", latents),
    },
    ...readAnswers(reader, outputs, sources),
    sources,
    weights,
  });
}

/** The shapes of both inputs, by that of the clips. */
function shapesOf(
  reader: TensorReader,
  config: CausalTokenizerConfig,
): { readonly pixels: Shape; readonly latents: Shape } {
  const info = reader.info("input.video");
  const [batch, channels, frames, height, width] = info.shape;
  if (info.shape.length !== 5 || batch < 1 || channels !== colours) {
    throw misfit(reader, info, `(N, ${colours}, frames, H, W) with N at least 1`);
  }
  const grid = causalTokenizerCodec.grid(config);
  const clip = { frames, height, width };
  checkClipSize(grid, clip, `${reader.path}: input.video`);
  const latent = latentSize(grid, clip);
  return {
    pixels: info.shape,
    latents: [batch, grid.channels, latent.frames, latent.height, latent.width],
  };
}
