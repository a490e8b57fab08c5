/**
 * Networks of convolutions with batch norms, as they are published for features: read from a file by the
 * names of their layers, whose widths are those of the file, each norm folded into its convolution.
 *
 * @module
 */
import { InputError } from "../base/errors.ts";
import { describeNonFinite } from "../base/finite.ts";
import { hashOfWeights } from "../evaluation/features/weights_hash.ts";
import { openWeights } from "../formats/weights.ts";
import { convolution, type ConvolutionOptions } from "../kernels/ops/convolution/op.ts";
import { maximum } from "../kernels/ops/elementwise/op.ts";
import { formatShape, type Shape } from "../kernels/shape.ts";
import { state, type Tensor } from "../kernels/tensor.ts";

/** Added to variances. */
const epsilon = 0.001;

/** Tensors of a batch norm. */
const normParts = ["weight", "bias", "running_mean", "running_var"] as const;

/** What is known of the files of a network. */
export interface NormedFormat {
  /** What stands behind the name of a layer for its convolution, such as `conv`. */
  readonly convolution: string;
  /** Tensors that files have and the network does not read. */
  readonly unread: RegExp;
  /** What is wanted, for messages. */
  readonly wanted: string;
}

/** Layers with the shapes that a file has. */
export class NormedLayers {
  /** Names of the tensors that have been read. */
  readonly read = new Set<string>();

  /** Of the file `path`. */
  constructor(
    readonly format: NormedFormat,
    readonly path: string,
    readonly shapes: ReadonlyMap<string, Shape>,
  ) {}

  /** A convolution, its batch norm and ReLU, of x with channels last. */
  unit(name: string, x: Tensor, kernel: readonly number[], options: ConvolutionOptions): Tensor {
    const inputs = x.shape.at(-1)!;
    const [outputs] = this.#shape(`${name}.${this.format.convolution}.weight`, [
      ...[-1, inputs, ...kernel],
    ]);
    for (const part of normParts) this.#shape(`${name}.bn.${part}`, [outputs]);
    const weight = state(`${name}.weight`, [outputs, inputs, ...kernel]);
    return maximum(convolution(x, weight, state(`${name}.bias`, [outputs]), options), 0);
  }

  /** A tensor without a norm, under its name in the file. @param wanted its shape, -1 for any size */
  plain(name: string, wanted: Shape): Tensor {
    return state(name, this.#shape(name, wanted));
  }

  /**
   * The shape of a tensor.
   *
   * @throws InputError when there is no such tensor, or it has another shape
   */
  #shape(name: string, wanted: Shape): Shape {
    this.read.add(name);
    const found = this.shapes.get(name);
    const text = formatShape(wanted).replace("-1", "any");
    if (!found) {
      throw new InputError(
        `${this.path}: the tensor ${name} ${text} is missing; wanted are ${this.format.wanted}`,
      );
    }
    const fits = found.length === wanted.length &&
      wanted.every((size, axis) => size === -1 || size === found[axis]);
    if (fits) return found;
    throw new InputError(`${this.path}: ${name} has the shape ${formatShape(found)}, not ${text}`);
  }
}

/** The weights of a network, each batch norm folded into the convolution before it. */
export interface NormedWeights {
  /** The file. */
  readonly path: string;
  /** SHA-256 of the tensors that are read, whatever the format of the file. */
  readonly hash: string;
  /** By the names of the states of the traced network. */
  readonly values: ReadonlyMap<string, Float32Array>;
  /** Shapes of the tensors of the file. */
  readonly shapes: ReadonlyMap<string, Shape>;
}

/**
 * Reads the weights of a network.
 *
 * @param trace calls the network on the layers
 * @throws InputError when a tensor is missing, unknown, of another shape or not finite
 */
export async function readNormedWeights(
  path: string,
  format: NormedFormat,
  trace: (layers: NormedLayers) => void,
): Promise<NormedWeights> {
  using file = await openWeights(path);
  const shapes = new Map([...file.tensors].map(([name, { shape }]) => [name, shape]));
  const layers = new NormedLayers(format, path, shapes);
  trace(layers);
  const unknown = shapes.keys().find((name) => !layers.read.has(name) && !format.unread.test(name));
  if (unknown !== undefined) throw new InputError(`${path}: the network has no tensor ${unknown}`);
  const tensors = new Map<string, Float32Array>();
  for (const name of layers.read) {
    const values = file.readFloat32(name);
    const problem = describeNonFinite(name, values);
    if (problem !== undefined) throw new InputError(`${path}: ${problem}`);
    tensors.set(name, values);
  }
  file.checkContents();
  return { path, hash: hashOfWeights(tensors), values: fold(tensors, format), shapes };
}

/** Weights and biases of convolutions that do what a batch norm behind them does; others as they are. */
function fold(
  tensors: ReadonlyMap<string, Float32Array>,
  { convolution }: NormedFormat,
): Map<string, Float32Array> {
  const folded = new Map<string, Float32Array>();
  const ending = `.${convolution}.weight`;
  for (const [name, weight] of tensors) {
    const unit = name.slice(0, -ending.length);
    if (!name.endsWith(ending) || !tensors.has(`${unit}.bn.weight`)) {
      if (!/\.bn\.\w+$/.test(name)) folded.set(name, weight);
      continue;
    }
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
