/**
 * Weights of the Inception network from a file: those of pytorch-fid
 * (`pt_inception-2015-12-05-6726825d.pth`), under torchvision's names: of every layer `NAME.conv.weight`,
 * `NAME.bn.weight`, `.bias`, `.running_mean` and `.running_var`, and `fc.weight`.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { describeNonFinite } from "../../base/finite.ts";
import { hashOfWeights } from "../../evaluation/features/weights_hash.ts";
import type { TensorReader } from "../../formats/tensors/safetensors.ts";
import { openWeights } from "../../formats/weights.ts";
import { convolution } from "../../kernels/ops/convolution/op.ts";
import { maximum } from "../../kernels/ops/elementwise/op.ts";
import { formatShape, type Shape } from "../../kernels/shape.ts";
import { input, state, type Tensor } from "../../kernels/tensor.ts";
import {
  type ConvolutionForm,
  inception,
  type InceptionLayers,
  type InceptionOutputs,
  inceptionSide,
} from "./model.ts";

/** Added to variances. */
const epsilon = 0.001;

/** What the file has besides, and the network does not read. */
const unread = /(?:^AuxLogits\.|\.num_batches_tracked$|^fc\.bias$)/;

/** The weights of a network, each batch norm folded into the convolution before it. */
export interface InceptionWeights {
  /** The file. */
  readonly path: string;
  /** SHA-256 of the tensors that are read, whatever the format of the file. */
  readonly hash: string;
  /** By the names of the states of {@link traceInception}. */
  readonly values: ReadonlyMap<string, Float32Array>;
  /** Shapes of the tensors of the file. */
  readonly shapes: ReadonlyMap<string, Shape>;
}

/** How the layers of a file are read. */
class FileLayers implements InceptionLayers {
  /** Names of the tensors that the network has read. */
  readonly read = new Set<string>();

  constructor(readonly path: string, readonly shapes: ReadonlyMap<string, Shape>) {}

  readonly unit = (name: string, x: Tensor, form: ConvolutionForm): Tensor => {
    const [rows, columns] = form.kernel;
    const [outputs] = this.#shape(`${name}.conv.weight`, [-1, x.shape[3], rows, columns]);
    for (const part of normParts) this.#shape(`${name}.bn.${part}`, [outputs]);
    const weight = state(`${name}.weight`, [outputs, x.shape[3], rows, columns]);
    const bias = state(`${name}.bias`, [outputs]);
    const { stride = 1, valid = false } = form;
    const side = (length: number) =>
      valid ? [0, 0] as const : [(length - 1) / 2, (length - 1) / 2] as const;
    const padding = [side(rows), side(columns)];
    return maximum(convolution(x, weight, bias, { strides: [stride, stride], padding }), 0);
  };

  readonly classifier = (features: number): Tensor => {
    const [classes] = this.#shape("fc.weight", [-1, features]);
    return state("fc.weight", [classes, features]);
  };

  /** The shape of a tensor, in which -1 may be any number. */
  #shape(name: string, wanted: Shape): Shape {
    this.read.add(name);
    const found = this.shapes.get(name);
    const text = formatShape(wanted).replace("-1", "any");
    if (!found) {
      throw new InputError(
        `${this.path}: the tensor ${name} ${text} is missing; wanted are the weights of ` +
          "pytorch-fid under torchvision's names",
      );
    }
    const fits = found.length === wanted.length &&
      wanted.every((size, axis) => size === -1 || size === found[axis]);
    if (!fits) {
      throw new InputError(
        `${this.path}: ${name} has the shape ${formatShape(found)}, not ${text}`,
      );
    }
    return found;
  }
}

const normParts = ["weight", "bias", "running_mean", "running_var"] as const;

/**
 * Traces the network on `pictures` (n, 299, 299, 3) with parameters as states.
 *
 * @throws InputError when a tensor is missing or of a shape that the network does not have
 */
export function traceInception(
  { path, shapes }: Pick<InceptionWeights, "path" | "shapes">,
  batch: number,
): InceptionOutputs {
  const pictures = input("pictures", [batch, inceptionSide, inceptionSide, 3]);
  return inception(new FileLayers(path, shapes), pictures);
}

/**
 * Reads the weights.
 *
 * @throws InputError when a tensor is missing, unknown, of another shape or not finite
 */
export async function readInception(path: string): Promise<InceptionWeights> {
  using file = await openWeights(path);
  const shapes = new Map([...file.tensors].map(([name, { shape }]) => [name, shape]));
  const layers = new FileLayers(path, shapes);
  inception(layers, input("pictures", [1, inceptionSide, inceptionSide, 3]));
  const unknown = shapes.keys().find((name) => !layers.read.has(name) && !unread.test(name));
  if (unknown !== undefined) {
    throw new InputError(`${path}: the network has no tensor ${unknown}`);
  }
  const tensors = new Map<string, Float32Array>();
  for (const name of layers.read) {
    const values = file.readFloat32(name);
    const problem = describeNonFinite(name, values);
    if (problem !== undefined) throw new InputError(`${path}: ${problem}`);
    tensors.set(name, values);
  }
  file.checkContents();
  return { path, hash: hashOfWeights(tensors), values: fold(tensors), shapes };
}

/** Whether a file of weights looks like this network's. */
export const isInception = ({ tensors }: TensorReader): boolean =>
  tensors.has("Conv2d_1a_3x3.conv.weight");

/** Weights and biases of convolutions that do what a batch norm behind them does. */
function fold(tensors: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
  const folded = new Map([["fc.weight", tensors.get("fc.weight")!]]);
  for (const [name, weight] of tensors) {
    if (!name.endsWith(".conv.weight")) continue;
    const unit = name.slice(0, -".conv.weight".length);
    const [scale, shift, means, variances] = normParts.map((part) =>
      tensors.get(`${unit}.bn.${part}`)!
    );
    const factors = Float64Array.from(
      scale,
      (value, i) => value / Math.sqrt(variances[i] + epsilon),
    );
    const kernel = weight.length / scale.length;
    folded.set(
      `${unit}.weight`,
      weight.map((value, index) => value * factors[Math.floor(index / kernel)]),
    );
    folded.set(`${unit}.bias`, shift.map((value, i) => value - means[i] * factors[i]));
  }
  return folded;
}
