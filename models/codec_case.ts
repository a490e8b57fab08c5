/**
 * Cases of both halves of a codec: pixels to what its encoder makes of them, latents to pixels, and
 * gradients of both inputs and the parameters, which either cotangent gives for its half.
 *
 * @module
 */
import { checkNames, misfit, readAnswers, readFloats } from "../evaluation/verify/case_file.ts";
import { makeCase, type VerificationCase } from "../evaluation/verify/verification.ts";
import { openSafetensors, type TensorReader } from "../formats/tensors/safetensors.ts";
import type { Shape } from "../kernels/shape.ts";
import { input, type Tensor } from "../kernels/tensor.ts";
import {
  lookup,
  type Parameters,
  type ParameterSpecification,
  parameterStates,
  type WeightType,
} from "../nn/parameters.ts";
import { checkClipSize, type CodecGrid, latentSize } from "./codec.ts";

/** What the cases of a codec have in them. */
export interface CodecCase {
  /** The family in error messages. */
  readonly family: string;
  readonly specifications: readonly ParameterSpecification[];
  readonly grid: CodecGrid;
  readonly pixels: {
    /** Name of the encoder's input and of the decoder's output. */
    readonly name: string;
    readonly channels: number;
    /** Whether they are clips, (N, C, frames, H, W), or pictures, (N, C, H, W). */
    readonly areClips: boolean;
  };
  /** Name of the encoder's output. */
  readonly code: string;
  encode(of: Parameters, pixels: Tensor): Tensor;
  decode(of: Parameters, latent: Tensor): Tensor;
}

/**
 * Reads and checks a case.
 *
 * @param weights how the weights are stored on the device
 * @throws InputError naming the file, the tensor and what does not fit
 */
export async function readCodecCase(
  path: string,
  codec: CodecCase,
  weights: WeightType,
): Promise<VerificationCase> {
  using reader = await openSafetensors(path);
  const { specifications, pixels: { name }, code } = codec;
  checkNames(reader, {
    family: codec.family,
    inputs: [name, "latent"],
    outputs: [code, name],
    sources: [name, "latent", ...specifications.map((specification) => specification.name)],
  });
  const shapes = shapesOf(reader, codec);
  const [pixels, latent] = [input(name, shapes.pixels), input("latent", shapes.latents)];
  const parameters = parameterStates(specifications, weights);
  const of = lookup(parameters);
  const outputs = { [code]: codec.encode(of, pixels), [name]: codec.decode(of, latent) };
  const sources = new Map([[name, pixels], ["latent", latent], ...parameters]);
  return makeCase({
    inputs: {
      [name]: readFloats(reader, `input.${name}`, shapes.pixels),
      latent: readFloats(reader, "input.latent", shapes.latents),
    },
    ...readAnswers(reader, outputs, sources),
    sources,
    weights,
  });
}

/** The shapes of both inputs, by that of the pixels. */
function shapesOf(
  reader: TensorReader,
  { grid, pixels: { name, channels, areClips } }: CodecCase,
): { readonly pixels: Shape; readonly latents: Shape } {
  const info = reader.info(`input.${name}`);
  const { shape } = info;
  if (shape.length !== (areClips ? 5 : 4) || shape[0] < 1 || shape[1] !== channels) {
    throw misfit(
      reader,
      info,
      `(N, ${channels}, ${areClips ? "frames, " : ""}H, W) with N at least 1`,
    );
  }
  const [height, width] = shape.slice(-2);
  const clip = { frames: areClips ? shape[2] : 1, height, width };
  checkClipSize(grid, clip, `${reader.path}: ${info.name}`);
  const { frames, ...side } = latentSize(grid, clip);
  const time = areClips ? [frames] : [];
  return { pixels: shape, latents: [shape[0], grid.channels, ...time, side.height, side.width] };
}
