/**
 * Inception V3 (Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016) as
 * the graph of 2015-12-05 that FID is defined by: means of windows leave out what is outside, and the
 * last block pools by maxima (its counterpart before it by means).
 *
 * Activations have their channels last. Widths are those of the weights, names those of torchvision.
 *
 * @module
 */
import { linear } from "../../kernels/ops/matmul/op.ts";
import { concatenate, slice } from "../../kernels/ops/movement/op.ts";
import { averagePool, maximumPool } from "../../kernels/ops/pooling/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";

/** Height and width of the pictures that it takes, in pixels. */
export const inceptionSide = 299;

/** Channels of the spatial features: the first ones of the layer they are taken from. */
const spatialChannels = 7;

/** How a layer walks over its input: one place at a time with zeros around, or otherwise. */
export interface ConvolutionForm {
  /** Rows and columns of the kernel. */
  readonly kernel: readonly [rows: number, columns: number];
  /** Positions from one window to the next; 1 when absent. */
  readonly stride?: number;
  /** No zeros around the input: what comes out is smaller. */
  readonly valid?: boolean;
}

/** What the network reads its weights through. */
export interface InceptionLayers {
  /** A convolution, batch norm and ReLU. */
  unit(name: string, x: Tensor, form: ConvolutionForm): Tensor;
  /** The weight (classes, features) of the classifier. */
  classifier(features: number): Tensor;
}

/** What the network says about pictures. */
export interface InceptionOutputs {
  /** (n, 2048): the mean over positions before the classifier. */
  readonly pooled: Tensor;
  /** (n, 17, 17, 7): the first channels of the first branch of `Mixed_6d`. */
  readonly spatial: Tensor;
  /** (n, 1008), without the bias of the classifier, as scores are taken of them. */
  readonly logits: Tensor;
}

/**
 * The network.
 *
 * @param x (n, 299, 299, 3), values from -1 to 1
 */
export function inception(layers: InceptionLayers, x: Tensor): InceptionOutputs {
  const start = stem(layers, x);
  const fine = ["Mixed_5b", "Mixed_5c", "Mixed_5d"].reduce(
    (t, name) => fineBlock(layers, name, t),
    start,
  );
  const middle = ["Mixed_6b", "Mixed_6c"].reduce(
    (t, name) => middleBlock(layers, name, t).out,
    fineReduction(layers, "Mixed_6a", fine),
  );
  const { out, first } = middleBlock(layers, "Mixed_6d", middle);
  const coarse = middleReduction(layers, "Mixed_7a", middleBlock(layers, "Mixed_6e", out).out);
  const wide = coarseBlock(layers, "Mixed_7b", coarse, averagePool);
  const pooled = mean(coarseBlock(layers, "Mixed_7c", wide, maximumPool), [1, 2]);
  return {
    pooled,
    spatial: slice(first, 3, 0, spatialChannels),
    logits: linear(pooled, layers.classifier(pooled.shape[1])),
  };
}

const reducing = { window: [3, 3], strides: [2, 2] };
const keeping = { window: [3, 3], padding: [[1, 1], [1, 1]] } as const;

/** 299 to 35 positions a side. */
function stem({ unit }: InceptionLayers, x: Tensor): Tensor {
  x = unit("Conv2d_1a_3x3", x, { kernel: [3, 3], stride: 2, valid: true });
  x = unit("Conv2d_2a_3x3", x, { kernel: [3, 3], valid: true });
  x = unit("Conv2d_2b_3x3", x, { kernel: [3, 3] });
  x = maximumPool(x, reducing);
  x = unit("Conv2d_3b_1x1", x, { kernel: [1, 1] });
  x = unit("Conv2d_4a_3x3", x, { kernel: [3, 3], valid: true });
  return maximumPool(x, reducing);
}

/** Layers one after the other: names within the block, and forms. */
type Chain = readonly (readonly [name: string, form: ConvolutionForm])[];

const chainOf = ({ unit }: InceptionLayers, block: string, x: Tensor, chain: Chain): Tensor =>
  chain.reduce((t, [name, form]) => unit(`${block}.${name}`, t, form), x);

/** 35 positions a side. */
function fineBlock(layers: InceptionLayers, block: string, x: Tensor): Tensor {
  const branch = (...chain: Chain) => chainOf(layers, block, x, chain);
  return concatenate([
    branch(["branch1x1", { kernel: [1, 1] }]),
    branch(["branch5x5_1", { kernel: [1, 1] }], ["branch5x5_2", { kernel: [5, 5] }]),
    branch(
      ["branch3x3dbl_1", { kernel: [1, 1] }],
      ["branch3x3dbl_2", { kernel: [3, 3] }],
      ["branch3x3dbl_3", { kernel: [3, 3] }],
    ),
    layers.unit(`${block}.branch_pool`, averagePool(x, keeping), { kernel: [1, 1] }),
  ], 3);
}

/** 35 to 17 positions a side. */
function fineReduction(layers: InceptionLayers, block: string, x: Tensor): Tensor {
  const branch = (...chain: Chain) => chainOf(layers, block, x, chain);
  return concatenate([
    branch(["branch3x3", { kernel: [3, 3], stride: 2, valid: true }]),
    branch(
      ["branch3x3dbl_1", { kernel: [1, 1] }],
      ["branch3x3dbl_2", { kernel: [3, 3] }],
      ["branch3x3dbl_3", { kernel: [3, 3], stride: 2, valid: true }],
    ),
    maximumPool(x, reducing),
  ], 3);
}

/** 17 positions a side; `first` is the first of the branches. */
function middleBlock(
  layers: InceptionLayers,
  block: string,
  x: Tensor,
): { readonly out: Tensor; readonly first: Tensor } {
  const branch = (...chain: Chain) => chainOf(layers, block, x, chain);
  const first = branch(["branch1x1", { kernel: [1, 1] }]);
  const out = concatenate([
    first,
    branch(
      ["branch7x7_1", { kernel: [1, 1] }],
      ["branch7x7_2", { kernel: [1, 7] }],
      ["branch7x7_3", { kernel: [7, 1] }],
    ),
    branch(
      ["branch7x7dbl_1", { kernel: [1, 1] }],
      ["branch7x7dbl_2", { kernel: [7, 1] }],
      ["branch7x7dbl_3", { kernel: [1, 7] }],
      ["branch7x7dbl_4", { kernel: [7, 1] }],
      ["branch7x7dbl_5", { kernel: [1, 7] }],
    ),
    layers.unit(`${block}.branch_pool`, averagePool(x, keeping), { kernel: [1, 1] }),
  ], 3);
  return { out, first };
}

/** 17 to 8 positions a side. */
function middleReduction(layers: InceptionLayers, block: string, x: Tensor): Tensor {
  const branch = (...chain: Chain) => chainOf(layers, block, x, chain);
  return concatenate([
    branch(
      ["branch3x3_1", { kernel: [1, 1] }],
      ["branch3x3_2", { kernel: [3, 3], stride: 2, valid: true }],
    ),
    branch(
      ["branch7x7x3_1", { kernel: [1, 1] }],
      ["branch7x7x3_2", { kernel: [1, 7] }],
      ["branch7x7x3_3", { kernel: [7, 1] }],
      ["branch7x7x3_4", { kernel: [3, 3], stride: 2, valid: true }],
    ),
    maximumPool(x, reducing),
  ], 3);
}

/** 8 positions a side; two branches end in a row and a column side by side. */
function coarseBlock(
  layers: InceptionLayers,
  block: string,
  x: Tensor,
  pool: typeof averagePool,
): Tensor {
  const branch = (...chain: Chain) => chainOf(layers, block, x, chain);
  const sides = (name: string, from: Tensor): Tensor[] => [
    layers.unit(`${block}.${name}a`, from, { kernel: [1, 3] }),
    layers.unit(`${block}.${name}b`, from, { kernel: [3, 1] }),
  ];
  const single = branch(["branch3x3_1", { kernel: [1, 1] }]);
  const double = branch(
    ["branch3x3dbl_1", { kernel: [1, 1] }],
    ["branch3x3dbl_2", { kernel: [3, 3] }],
  );
  return concatenate([
    branch(["branch1x1", { kernel: [1, 1] }]),
    ...sides("branch3x3_2", single),
    ...sides("branch3x3dbl_3", double),
    layers.unit(`${block}.branch_pool`, pool(x, keeping), { kernel: [1, 1] }),
  ], 3);
}
