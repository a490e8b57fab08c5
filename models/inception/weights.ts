/**
 * Weights of the Inception network from a file: those of pytorch-fid
 * (`pt_inception-2015-12-05-6726825d.pth`), under torchvision's names: of every layer `NAME.conv.weight`,
 * `NAME.bn.weight`, `.bias`, `.running_mean` and `.running_var`, and `fc.weight`.
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
import {
  type ConvolutionForm,
  inception,
  type InceptionLayers,
  type InceptionOutputs,
  inceptionSide,
} from "./model.ts";

/** The weights of the network. */
export type InceptionWeights = NormedWeights;

const format: NormedFormat = {
  convolution: "conv",
  unread: /(?:^AuxLogits\.|\.num_batches_tracked$|^fc\.bias$)/,
  wanted: "the weights of pytorch-fid under torchvision's names",
};

/** The network's way to its layers. */
function layersOf(layers: NormedLayers): InceptionLayers {
  const zeros = (length: number, { valid = false }: ConvolutionForm) =>
    valid ? [0, 0] as const : [(length - 1) / 2, (length - 1) / 2] as const;
  return {
    unit(name, x, form) {
      const { kernel, stride = 1 } = form;
      const padding = kernel.map((length) => zeros(length, form));
      return layers.unit(name, x, kernel, { strides: [stride, stride], padding });
    },
    classifier: (features) => layers.plain("fc.weight", [-1, features]),
  };
}

const pictures = (batch: number): Tensor =>
  input("pictures", [batch, inceptionSide, inceptionSide, 3]);

/** Traces the network on `pictures` (n, 299, 299, 3) with parameters as states. */
export const traceInception = (
  { path, shapes }: Pick<InceptionWeights, "path" | "shapes">,
  batch: number,
): InceptionOutputs => inception(layersOf(new NormedLayers(format, path, shapes)), pictures(batch));

/**
 * Reads the weights.
 *
 * @throws InputError when a tensor is missing, unknown, of another shape or not finite
 */
export const readInception = (path: string): Promise<InceptionWeights> =>
  readNormedWeights(path, format, (layers) => void inception(layersOf(layers), pictures(1)));

/** Whether a file of weights looks like this network's. */
export const isInception = ({ tensors }: TensorReader): boolean =>
  tensors.has("Conv2d_1a_3x3.conv.weight");
