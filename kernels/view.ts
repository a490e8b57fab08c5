/**
 * Views, and arithmetic on them: how reshapes, transposes, slices and broadcasts of a strided window are
 * expressed as other windows of the same buffer, without moving data.
 *
 * @module
 */
import { contiguousStrides, type DType, elementCount, type Shape } from "./shape.ts";

/** A strided window of a buffer. Strides and offset are in elements; a broadcast axis has stride 0. */
export interface View {
  /** Index into `Program.buffers`. */
  readonly buffer: number;
  /** First element, counted from the start of the buffer. */
  readonly offset: number;
  /** Sizes of the axes, slowest first. */
  readonly shape: Shape;
  /** Elements between neighbours along each axis, at least 0. */
  readonly strides: readonly number[];
  /** Element type, that of the buffer. */
  readonly dtype: DType;
}

/** Whether the elements of a view follow each other in row-major order. Axes of size 1 are free. */
export function isContiguous({ shape, strides }: View): boolean {
  const expected = contiguousStrides(shape);
  return shape.every((size, axis) => size === 1 || strides[axis] === expected[axis]);
}

/** Whether the innermost axis is contiguous (or has one element). */
export function hasUnitInnerStride({ shape, strides }: View): boolean {
  const last = shape.length - 1;
  return last < 0 || shape[last] === 1 || strides[last] === 1;
}

/** Whether two views read exactly the same elements in the same order. */
export function sameView(a: View, b: View): boolean {
  return a.buffer === b.buffer && a.offset === b.offset && a.shape.length === b.shape.length &&
    a.shape.every((size, axis) =>
      size === b.shape[axis] && (size === 1 || a.strides[axis] === b.strides[axis])
    );
}

/** Elements of the buffer from the first one of a view to its last one, both included. */
export function viewSpan({ shape, strides }: View): number {
  return shape.reduce((span, size, axis) => span + (size - 1) * strides[axis], 1);
}

/**
 * Whether two positions of a view may name one element: some axis moves by less than the axes with
 * smaller strides span.
 */
export function overlapsItself({ shape, strides }: View): boolean {
  const axes = shape.flatMap((size, axis) => size > 1 ? [{ size, stride: strides[axis] }] : []);
  let span = 1;
  return axes.sort((a, b) => a.stride - b.stride).some(({ size, stride }) => {
    const overlaps = stride < span;
    span += (size - 1) * stride;
    return overlaps;
  });
}

/** A view repeated along new leading axes and along axes of size 1, as in broadcasting. */
export function broadcastView(view: View, shape: Shape): View {
  const added = shape.length - view.shape.length;
  const strides = shape.map((size, axis) => {
    if (axis < added || (view.shape[axis - added] === 1 && size !== 1)) return 0;
    return view.strides[axis - added];
  });
  return { ...view, shape, strides };
}

/** Axes in another order: axis i of the result is axis `order[i]` of the view. */
export function permuteView(view: View, order: readonly number[]): View {
  return {
    ...view,
    shape: order.map((axis) => view.shape[axis]),
    strides: order.map((axis) => view.strides[axis]),
  };
}

/** The part `[start, start + size)` of one axis. */
export function sliceView(view: View, axis: number, start: number, size: number): View {
  return {
    ...view,
    offset: view.offset + start * view.strides[axis],
    shape: view.shape.map((full, index) => index === axis ? size : full),
  };
}

/** The same elements in another shape, or undefined when that needs a copy. */
export function reshapeView(view: View, shape: Shape): View | undefined {
  const strides = new Array<number>(shape.length);
  const axes = view.shape.flatMap((size, axis) =>
    size === 1 ? [] : [{ size, stride: view.strides[axis] }]
  );
  let next = 0;
  let axis = 0;
  while (axis < shape.length) {
    if (shape[axis] === 1) {
      strides[axis++] = 1;
      continue;
    }
    // A group of old axes that can be walked with one stride covers a group of new axes.
    const first = axis;
    let available = axes[next].size;
    let wanted = shape[axis++];
    while (wanted !== available) {
      if (wanted < available) wanted *= shape[axis++];
      else {
        const inner = axes[next + 1];
        if (axes[next].stride !== inner.stride * inner.size) return undefined;
        available *= inner.size;
        next++;
      }
    }
    let stride = axes[next++].stride;
    for (let k = axis - 1; k >= first; k--) {
      strides[k] = stride;
      stride *= shape[k];
    }
  }
  return { ...view, shape, strides };
}

/** A whole buffer as a contiguous view. */
export function contiguousView(buffer: number, shape: Shape, dtype: View["dtype"]): View {
  return { buffer, offset: 0, shape, strides: contiguousStrides(shape), dtype };
}

/** Whether a view covers a buffer of `elements` elements completely and contiguously. */
export function coversBuffer(view: View, elements: number): boolean {
  return view.offset === 0 && elementCount(view.shape) === elements && isContiguous(view);
}
