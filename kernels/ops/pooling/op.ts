/**
 * Maxima and means over windows. Both are taken along one axis after the other, of shifted views, so
 * that they can be differentiated. Channels come last: (N, ...sizes, C).
 *
 * @module
 */
import { formatShape } from "../../shape.ts";
import { constantTensor, type Tensor } from "../../tensor.ts";
import { add, divide, maximum } from "../elementwise/op.ts";
import { broadcastTo, concatenate, pad, reshape, slice } from "../movement/op.ts";

/** Windows, one number for each size between batch and channels. */
export interface PoolingOptions {
  /** Positions of a window. */
  readonly window: readonly number[];
  /** Positions from one window to the next, at most the window; 1 by default. */
  readonly strides?: readonly number[];
  /** Positions of the first window before the input, and of the last one behind it; none by default. */
  readonly padding?: readonly (readonly [before: number, after: number])[];
}

/** Windows along one axis. */
interface AxisWindows {
  readonly axis: number;
  readonly window: number;
  readonly stride: number;
  readonly before: number;
  readonly after: number;
}

/**
 * The largest number of every window; positions outside of the input have none.
 *
 * @throws RangeError when windows do not fit the input
 */
export function maximumPool(x: Tensor, options: PoolingOptions): Tensor {
  return alongAxes("maximumPool", x, options, (t, windows) => {
    // What is repeated at an edge is in the windows beyond it anyway.
    const { axis, before, after } = windows;
    const size = t.shape[axis];
    const edge = (index: number, count: number) =>
      new Array<Tensor>(count).fill(slice(t, axis, index, 1));
    const padded = before + after === 0
      ? t
      : concatenate([...edge(0, before), t, ...edge(size - 1, after)], axis);
    return places(padded, windows).reduce((a, b) => maximum(a, b));
  });
}

/**
 * The mean of every window; positions outside of the input are not counted.
 *
 * @throws RangeError when windows do not fit the input
 */
export function averagePool(x: Tensor, options: PoolingOptions): Tensor {
  return alongAxes("averagePool", x, options, (t, windows) => {
    const { axis, before, after } = windows;
    const size = t.shape[axis];
    const padded = before + after === 0 ? t : pad(t, axis, before, before + size + after);
    const sum = places(padded, windows).reduce((a, b) => add(a, b));
    return divide(sum, counts(sum, size, windows));
  });
}

/** How many positions of the input each window has, in a shape that broadcasts to their sums. */
function counts(sum: Tensor, size: number, { axis, window, stride, before }: AxisWindows): Tensor {
  const length = sum.shape[axis];
  const values = Float32Array.from({ length }, (_, index) => {
    const first = index * stride - before;
    return Math.min(first + window, size) - Math.max(first, 0);
  });
  const shape = sum.shape.map((_, other) => other === axis ? length : 1);
  return broadcastTo(constantTensor(values, shape), sum.shape);
}

function alongAxes(
  what: string,
  x: Tensor,
  { window, strides = window.map(() => 1), padding = window.map(() => [0, 0] as const) }:
    PoolingOptions,
  pool: (x: Tensor, windows: AxisWindows) => Tensor,
): Tensor {
  const axes = x.shape.length - 2;
  const fits = [window, strides, padding].every(({ length }) => length === axes) &&
    window.every((length, i) => {
      const [before, after] = padding[i];
      return length >= strides[i] && strides[i] >= 1 && Math.max(before, after) < length &&
        before + x.shape[i + 1] + after >= length;
    });
  if (!fits) {
    throw new RangeError(
      `${what}: windows (${window}), strides (${strides}) and padding (${padding.join("; ")}) of ` +
        `${formatShape(x.shape)}; it takes one of each for each size between batch and channels, ` +
        "strides and padding no larger than windows, and windows no larger than the padded input",
    );
  }
  return window.reduce((t, length, i) => {
    const [before, after] = padding[i];
    const windows = { axis: i + 1, window: length, stride: strides[i], before, after };
    return length === 1 ? t : pool(t, windows);
  }, x);
}

/** The first positions of all windows, the second ones and so on. */
function places(padded: Tensor, { axis, window, stride }: AxisWindows): Tensor[] {
  const count = Math.floor((padded.shape[axis] - window) / stride) + 1;
  return Array.from({ length: window }, (_, k) => everyNth(padded, axis, k, stride, count));
}

/** `count` positions from `first` on, `stride` apart. */
function everyNth(x: Tensor, axis: number, first: number, stride: number, count: number): Tensor {
  if (stride === 1) return slice(x, axis, first, count);
  const { shape } = x;
  // Blocks of a stride begin earlier where the last one would end behind the input.
  const within = Math.max(0, first + stride * count - shape[axis]);
  const blocks = slice(x, axis, first - within, stride * count);
  const apart = reshape(blocks, shape.toSpliced(axis, 1, count, stride));
  return reshape(slice(apart, axis + 1, within, 1), shape.with(axis, count));
}
