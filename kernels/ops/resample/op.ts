/**
 * Other numbers of positions: nearest-neighbour up- and down-sampling, channels to positions and
 * back, blur pooling. All are movement and products, so that they can be differentiated any number of
 * times. Channels come last: (N, ...sizes, C).
 *
 * @module
 */
import { elementCount, formatShape, type Shape } from "../../shape.ts";
import { constantTensor, type Tensor } from "../../tensor.ts";
import { matmul } from "../matmul/op.ts";
import { broadcastTo, permute, reshape, slice } from "../movement/op.ts";

function checkFactors(what: string, x: Shape, factors: readonly number[]): void {
  const fits = factors.length === x.length - 2 &&
    factors.every((factor) => Number.isInteger(factor) && factor >= 1);
  if (!fits) {
    throw new RangeError(
      `${what}: factors (${factors}) of ${formatShape(x)}; it takes a positive whole number for ` +
        `each size between batch and channels`,
    );
  }
}

/**
 * Repeats every position `factors[i]` times along size i: nearest-neighbour up-sampling.
 *
 * @throws RangeError when there is not one positive whole factor for each size
 */
export function upsampleNearest(x: Tensor, factors: readonly number[]): Tensor {
  const { shape } = x;
  checkFactors("upsampleNearest", shape, factors);
  const apart = shape.flatMap((size, axis) => isSize(shape, axis) ? [size, 1] : [size]);
  const repeated = shape.flatMap((size, axis) =>
    isSize(shape, axis) ? [size, factors[axis - 1]] : [size]
  );
  return reshape(broadcastTo(reshape(x, apart), repeated), scaled(shape, (i) => factors[i]));
}

/**
 * Takes every `factors[i]`-th position along size i, beginning with the first.
 *
 * @throws RangeError when there is not one whole factor for each size that divides it
 */
export function downsampleNearest(x: Tensor, factors: readonly number[]): Tensor {
  checkFactors("downsampleNearest", x.shape, factors);
  const parts = reshape(x, apartShape("downsampleNearest", x.shape, factors));
  const taken = factors.reduce((t, _, i) => slice(t, 2 * i + 2, 0, 1), parts);
  return reshape(taken, scaled(x.shape, (i) => 1 / factors[i]));
}

/**
 * Channels as neighbouring positions, (N, ...sizes, F C) to (N, ...(sizes * factors), C) with F the
 * product of the factors. Channels are ordered by place, slowest axis first, then C.
 *
 * @throws RangeError when there is not one positive whole factor for each size, or F does not divide
 * the channels
 */
export function depthToSpace(x: Tensor, factors: readonly number[]): Tensor {
  const { shape } = x;
  checkFactors("depthToSpace", shape, factors);
  const axes = factors.length;
  const channels = shape[shape.length - 1] / elementCount(factors);
  if (!Number.isInteger(channels)) {
    throw new RangeError(
      `depthToSpace: ${formatShape(shape)} has no multiple of ${elementCount(factors)} channels`,
    );
  }
  const order = factors.flatMap((_, i) => [i + 1, axes + i + 1]);
  const apart = permute(reshape(x, [...shape.slice(0, -1), ...factors, channels]), [
    ...[0, ...order, 2 * axes + 1],
  ]);
  return reshape(apart, [...scaled(shape, (i) => factors[i]).slice(0, -1), channels]);
}

/**
 * Neighbouring positions as channels: the inverse of `depthToSpace`.
 *
 * @throws RangeError when there is not one whole factor for each size that divides it
 */
export function spaceToDepth(x: Tensor, factors: readonly number[]): Tensor {
  checkFactors("spaceToDepth", x.shape, factors);
  const axes = factors.length;
  const parts = reshape(x, apartShape("spaceToDepth", x.shape, factors));
  const sizes = factors.map((_, i) => 2 * i + 1);
  const places = factors.map((_, i) => 2 * i + 2);
  const together = permute(parts, [0, ...sizes, ...places, 2 * axes + 1]);
  const channels = x.shape[x.shape.length - 1] * elementCount(factors);
  return reshape(together, [...scaled(x.shape, (i) => 1 / factors[i]).slice(0, -1), channels]);
}

const isSize = (shape: Shape, axis: number): boolean => axis > 0 && axis < shape.length - 1;

/** A shape whose sizes are multiplied. */
function scaled(shape: Shape, by: (size: number) => number): number[] {
  return shape.map((size, axis) => isSize(shape, axis) ? Math.round(size * by(axis - 1)) : size);
}

/** A shape whose sizes are cut into blocks of `factors` positions. */
function apartShape(what: string, shape: Shape, factors: readonly number[]): number[] {
  if (factors.some((factor, i) => shape[i + 1] % factor !== 0)) {
    throw new RangeError(`${what}: factors (${factors}) do not divide ${formatShape(shape)}`);
  }
  return shape.flatMap((size, axis) =>
    isSize(shape, axis) ? [size / factors[axis - 1], factors[axis - 1]] : [size]
  );
}

/** Blur kernel. */
const blur = [1 / 8, 3 / 8, 3 / 8, 1 / 8];

/**
 * Blurs by [1 3 3 1] / 8 along each size and takes every second position: n positions to ceil(n / 2),
 * with a zero before the first, and after the last one zero or, for odd n, two. Sizes of 1 are left
 * alone. (Zhang, Making Convolutional Networks Shift-Invariant Again, 2019.)
 */
export function blurPool(x: Tensor): Tensor {
  return x.shape.reduce(
    (pooled, size, axis) => isSize(x.shape, axis) && size > 1 ? blurAxis(pooled, axis) : pooled,
    x,
  );
}

/** The product with a band matrix: cheap beside convolutions, and its own gradient's transpose. */
function blurAxis(x: Tensor, axis: number): Tensor {
  const before = x.shape.slice(0, axis);
  const after = x.shape.slice(axis + 1);
  const size = x.shape[axis];
  const half = Math.ceil(size / 2);
  const batch = elementCount(before);
  const band = broadcastTo(constantTensor(bandMatrix(half, size), [half, size]), [
    ...[batch, half, size],
  ]);
  const rows = reshape(x, [batch, size, elementCount(after)]);
  return reshape(matmul(band, rows), [...before, half, ...after]);
}

/** Row j holds the kernel from column 2 j - 1 on. */
function bandMatrix(rows: number, columns: number): Float32Array {
  const matrix = new Float32Array(rows * columns);
  for (let j = 0; j < rows; j++) {
    blur.forEach((weight, k) => {
      const column = 2 * j - 1 + k;
      if (column >= 0 && column < columns) matrix[j * columns + column] = weight;
    });
  }
  return matrix;
}
