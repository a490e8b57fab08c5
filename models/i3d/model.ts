/**
 * I3D, Inception inflated to three dimensions (Carreira and Zisserman, "Quo Vadis, Action Recognition? A
 * New Model and the Kinetics Dataset", 2017, section 2.4), whose logits FVD compares (Unterthiner et al.,
 * "Towards Accurate Generative Models of Video", 2018).
 *
 * Activations have their channels last; windows lie as TensorFlow's SAME puts them. Widths are those of
 * the weights, names those of the usual port to PyTorch.
 *
 * @module
 */
import { convolution } from "../../kernels/ops/convolution/op.ts";
import { concatenate } from "../../kernels/ops/movement/op.ts";
import { averagePool, maximumPool } from "../../kernels/ops/pooling/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { NormedLayers } from "../normed_layers.ts";

/** Height and width of the frames that it takes, in pixels. */
export const i3dSide = 224;

/** Fewest frames that leave the two positions in time which are averaged. */
export const i3dFewestFrames = 9;

type Triple = readonly [time: number, rows: number, columns: number];

const cube = (length: number): Triple => [length, length, length];

/** Positions around an input so that there is a window for every `strides` of its positions. */
function around(x: Tensor, window: Triple, strides: Triple): [number, number][] {
  return window.map((length, axis) => {
    const size = x.shape[axis + 1];
    const missing = (Math.ceil(size / strides[axis]) - 1) * strides[axis] + length - size;
    const before = Math.floor(Math.max(missing, 0) / 2);
    return [before, Math.max(missing, 0) - before];
  });
}

function unit(layers: NormedLayers, name: string, x: Tensor, kernel: Triple, stride = 1): Tensor {
  const strides = cube(stride);
  return layers.unit(name, x, kernel, { strides, padding: around(x, kernel, strides) });
}

function pool(x: Tensor, window: Triple, strides: Triple): Tensor {
  return maximumPool(x, { window, strides, padding: around(x, window, strides) });
}

/** Four branches side by side. */
function mixed(layers: NormedLayers, name: string, x: Tensor): Tensor {
  const layer = (branch: string, from: Tensor, kernel: number) =>
    unit(layers, `${name}.${branch}`, from, cube(kernel));
  return concatenate([
    layer("b0", x, 1),
    layer("b1b", layer("b1a", x, 1), 3),
    layer("b2b", layer("b2a", x, 1), 3),
    layer("b3b", pool(x, cube(3), cube(1)), 1),
  ], 4);
}

/**
 * The network: logits (n, 400), averaged over time.
 *
 * @param x (n, frames, 224, 224, 3), values from -1 to 1, at least 9 frames
 */
export function i3d(layers: NormedLayers, x: Tensor): Tensor {
  const blocks = (t: Tensor, ...names: string[]) =>
    names.reduce((out, name) => mixed(layers, `Mixed_${name}`, out), t);
  x = unit(layers, "Conv3d_1a_7x7", x, cube(7), 2);
  x = pool(x, [1, 3, 3], [1, 2, 2]);
  x = unit(layers, "Conv3d_2b_1x1", x, cube(1));
  x = unit(layers, "Conv3d_2c_3x3", x, cube(3));
  x = pool(x, [1, 3, 3], [1, 2, 2]);
  x = pool(blocks(x, "3b", "3c"), cube(3), cube(2));
  x = pool(blocks(x, "4b", "4c", "4d", "4e", "4f"), cube(2), cube(2));
  x = averagePool(blocks(x, "5b", "5c"), { window: [2, 7, 7] });
  const weight = layers.plain("logits.conv3d.weight", [-1, x.shape[4], 1, 1, 1]);
  const bias = layers.plain("logits.conv3d.bias", [weight.shape[0]]);
  return mean(convolution(x, weight, bias), [1, 2, 3]);
}
