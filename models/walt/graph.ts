/**
 * W.A.L.T's denoiser traced on inputs of its own: for counting, timing and comparing.
 *
 * @module
 */
import type { DType } from "../../kernels/shape.ts";
import { input, type Tensor } from "../../kernels/tensor.ts";
import { lookup, parameterStates, type WeightType } from "../../nn/parameters.ts";
import { gridOf, walt, type WaltConfig, type WaltInputs, waltParameters } from "./model.ts";

/** How many of something the inputs of a batch hold. */
export interface WaltBatch {
  /** Elements N. */
  readonly batch: number;
  /** Groups of labels: 1, or one for each latent frame. */
  readonly labelGroups: number;
  /** Groups of captions, likewise. */
  readonly textGroups: number;
  /** Words M of a caption. */
  readonly words: number;
  /** Whether stacks of pictures may be among the elements. */
  readonly images: boolean;
}

/** A traced forward pass. */
export interface TracedWalt {
  /** The inputs that the configuration asks for, by the names of `WaltInputs`. */
  readonly inputs: WaltInputs;
  /** The parameters as states, by name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** The velocity (N, c, F, h, w). */
  readonly out: Tensor;
}

/** Traces the forward pass of a batch. */
export function traceWalt(
  config: WaltConfig,
  size: WaltBatch,
  weights: WeightType = "f32",
): TracedWalt {
  const inputs = Object.fromEntries(
    waltInputShapes(config, size).map(([name, shape, dtype]) => [name, input(name, shape, dtype)]),
  ) as unknown as WaltInputs;
  const parameters = parameterStates(waltParameters(config), weights);
  return { inputs, parameters, out: walt(config, lookup(parameters), inputs) };
}

/** Names, shapes and types of the inputs that a configuration asks for. */
export function waltInputShapes(
  config: WaltConfig,
  { batch, labelGroups, textGroups, words, images }: WaltBatch,
): [name: keyof WaltInputs, shape: readonly number[], dtype: DType][] {
  const { latentFrames, latentSize: [height, width], latentChannels, textWidth } = config;
  const latent = [batch, latentChannels, latentFrames, height, width];
  const half = [batch, latentChannels, latentFrames, height / 2, width / 2];
  const text = [batch, textGroups, words];
  const all: [boolean, keyof WaltInputs, readonly number[], DType][] = [
    [true, "x", latent, "f32"],
    [true, "t", [batch], "i32"],
    [images, "isImage", [batch], "i32"],
    [config.classes !== null, "y", [batch, labelGroups], "i32"],
    [config.selfConditioning, "selfCondition", latent, "f32"],
    [config.framePrediction, "frameCondition", latent, "f32"],
    [config.framePrediction, "frameMask", [batch, latentFrames], "i32"],
    [config.lowResolution, "lowResolution", half, "f32"],
    [config.lowResolution, "noiseLevel", [batch], "i32"],
    [textWidth !== null, "text", [...text, textWidth ?? 0], "f32"],
    [textWidth !== null, "textMask", text, "i32"],
  ];
  return all.flatMap(([isThere, name, shape, dtype]) => isThere ? [[name, shape, dtype]] : []);
}

/** Tokens of an element. */
export const waltTokens = (config: WaltConfig): number =>
  gridOf(config).reduce((product, size) => product * size, 1);
