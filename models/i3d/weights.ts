/**
 * Weights of I3D from a file, under the names of the usual port to PyTorch: of every layer
 * `NAME.conv3d.weight`, `NAME.bn.weight`, `.bias`, `.running_mean` and `.running_var`, with the layers
 * `Conv3d_1a_7x7`, `Conv3d_2b_1x1`, `Conv3d_2c_3x3` and `Mixed_3b.b0` to `Mixed_5c.b3b`; and
 * `logits.conv3d.weight` and `.bias`. `tools/convert_i3d.py` makes such a file of the public TorchScript.
 *
 * @module
 */
import type { TensorReader } from "../../formats/tensors/safetensors.ts";
import { input, type Tensor } from "../../kernels/tensor.ts";
import {
  type NormedFormat,
  NormedLayers,
  type NormedWeights,
  readNormedWeights,
} from "../normed_layers.ts";
import { i3d, i3dFewestFrames, i3dSide } from "./model.ts";

const format: NormedFormat = {
  convolution: "conv3d",
  unread: /\.num_batches_tracked$/,
  wanted: "the weights of I3D under PyTorch's names (tools/convert_i3d.py writes them)",
};

const clips = (batch: number, frames: number): Tensor =>
  input("clips", [batch, frames, i3dSide, i3dSide, 3]);

/** Traces the logits (n, 400) of `clips` (n, frames, 224, 224, 3) with parameters as states. */
export const traceI3D = (
  { path, shapes }: Pick<NormedWeights, "path" | "shapes">,
  batch: number,
  frames: number,
): Tensor => i3d(new NormedLayers(format, path, shapes), clips(batch, frames));

/**
 * Reads the weights.
 *
 * @throws InputError when a tensor is missing, unknown, of another shape or not finite
 */
export const readI3D = (path: string): Promise<NormedWeights> =>
  readNormedWeights(path, format, (layers) => void i3d(layers, clips(1, i3dFewestFrames)));

/** Whether a file of weights looks like this network's. */
export const isI3D = ({ tensors }: TensorReader): boolean =>
  tensors.has("Conv3d_1a_7x7.conv3d.weight");
