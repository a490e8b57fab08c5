/**
 * Tokens of clips in windows: a grid of latent frames, rows and columns is cut into equal
 * boxes that do not overlap. Windows are numbered time, row, column, and so are the tokens in them.
 *
 * Cutting and ordering are views; only tokens that go from small windows into larger ones move.
 *
 * @module
 */
import { permute, reshape } from "../../kernels/ops/movement/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";

/** Sizes along time, rows and columns. */
export type Box = readonly [frames: number, rows: number, columns: number];

/** Tokens and the windows that they are ordered by. */
export interface Windowed {
  /** (N, f / a, h / b, w / c, a, b, c, d), for windows (a, b, c) of a grid (f, h, w). */
  readonly values: Tensor;
  /** Tokens of a window. */
  readonly window: Box;
}

/** Axes of the grid side by side, each as (windows, tokens of a window); its own inverse is below. */
const interleaved = [0, 1, 4, 2, 5, 3, 6, 7];
const windowsFirst = [0, 1, 3, 5, 2, 4, 6, 7];

/** Tokens (N, f, h, w, d) as one window. */
export function asOneWindow(tokens: Tensor): Windowed {
  const [batch, frames, rows, columns, width] = tokens.shape;
  return {
    values: reshape(tokens, [batch, 1, 1, 1, frames, rows, columns, width]),
    window: [frames, rows, columns],
  };
}

/** The same tokens in other windows, whose sizes divide those of the grid. */
export function inWindows({ values, window }: Windowed, other: Box): Windowed {
  if (window.every((size, axis) => size === other[axis])) return { values, window };
  const [batch, ...sizes] = values.shape;
  const width = sizes[6];
  const split = other.flatMap((size, axis) => [sizes[axis] * window[axis] / size, size]);
  const apart = reshape(permute(values, interleaved), [batch, ...split, width]);
  return { values: permute(apart, windowsFirst), window: other };
}

/**
 * Vectors (N, G, d), one for all frames (G = 1) or one for each, as they broadcast to the tokens in
 * windows.
 */
export function framesInWindows(vectors: Tensor, window: Box): Tensor {
  const [batch, groups, width] = vectors.shape;
  const inWindow = Math.min(groups, window[0]);
  return reshape(vectors, [batch, groups / inWindow, 1, 1, inWindow, 1, 1, width]);
}
