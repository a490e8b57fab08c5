/**
 * Movement: reshape, transpose, slice, broadcast, concatenate, pad.
 *
 * The first four are views: consumers read through them and no data moves, unless a consumer cannot
 * read that way. Concatenation and padding write into windows of their result; where possible the
 * producer of a part writes into its window directly.
 *
 * @module
 */
import { constant, load } from "../../expression.ts";
import type { Step } from "../../program.ts";
import {
  arithmeticType,
  elementCount,
  formatShape,
  normalizeAxis,
  sameShape,
  type Shape,
} from "../../shape.ts";
import {
  type ActivationStorage,
  type Arithmetic,
  JoinNode,
  Node,
  type Tensor,
  ViewNode,
} from "../../tensor.ts";
import {
  broadcastView,
  permuteView,
  reshapeView,
  sameView,
  sliceView,
  type View,
} from "../../view.ts";
import { elementwiseStep } from "../elementwise/op.ts";

class ReshapeNode extends ViewNode {
  readonly signature: string;
  constructor(x: Tensor, readonly shape: Shape) {
    super("reshape", [x], [{ shape, dtype: x.dtype }]);
    this.signature = `reshape ${shape}`;
  }
  override withInputs([x]: readonly Tensor[]): Node {
    return new ReshapeNode(x, this.shape);
  }
  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    return [cotangent && reshape(cotangent, this.inputs[0].shape)];
  }
  override forward(view: View): View | undefined {
    return reshapeView(view, this.shape);
  }
  override backward(view: View): View | undefined {
    return reshapeView(view, this.inputs[0].shape);
  }
}

class PermuteNode extends ViewNode {
  readonly signature: string;
  constructor(x: Tensor, readonly order: readonly number[]) {
    super("permute", [x], [{ shape: order.map((axis) => x.shape[axis]), dtype: x.dtype }]);
    this.signature = `permute ${order}`;
  }
  #inverse(): number[] {
    return this.order.map((_, axis) => this.order.indexOf(axis));
  }
  override withInputs([x]: readonly Tensor[]): Node {
    return new PermuteNode(x, this.order);
  }
  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    return [cotangent && permute(cotangent, this.#inverse())];
  }
  override forward(view: View): View {
    return permuteView(view, this.order);
  }
  override backward(view: View): View {
    return permuteView(view, this.#inverse());
  }
}

class SliceNode extends ViewNode {
  readonly signature: string;
  constructor(x: Tensor, readonly axis: number, readonly start: number, readonly size: number) {
    const shape = x.shape.map((full, index) => index === axis ? size : full);
    super("slice", [x], [{ shape, dtype: x.dtype }]);
    this.signature = `slice ${axis} ${start} ${size}`;
  }
  override withInputs([x]: readonly Tensor[]): Node {
    return new SliceNode(x, this.axis, this.start, this.size);
  }
  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    const full = this.inputs[0].shape[this.axis];
    return [cotangent && pad(cotangent, this.axis, this.start, full)];
  }
  override forward(view: View): View {
    return sliceView(view, this.axis, this.start, this.size);
  }
  override backward(): undefined {
    return undefined;
  }
}

class BroadcastNode extends ViewNode {
  readonly signature: string;
  constructor(x: Tensor, readonly shape: Shape) {
    super("broadcast", [x], [{ shape, dtype: x.dtype }]);
    this.signature = `broadcast ${shape}`;
  }
  override withInputs([x]: readonly Tensor[]): Node {
    return new BroadcastNode(x, this.shape);
  }
  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    return [cotangent];
  }
  override forward(view: View): View {
    return broadcastView(view, this.shape);
  }
  override backward(): undefined {
    return undefined;
  }
}

class DetachNode extends ViewNode {
  readonly signature = "detach";
  constructor(x: Tensor) {
    super("detach", [x], [x]);
  }
  override withInputs([x]: readonly Tensor[]): Node {
    return new DetachNode(x);
  }
  override gradient(): [] {
    return [];
  }
  override forward(view: View): View {
    return view;
  }
  override backward(view: View): View {
    return view;
  }
}

/** A copy step of one view into another. */
export function copyStep(from: View, to: View): Step {
  return elementwiseStep(load(0, arithmeticType(to.dtype)), [from], to);
}

/** Parts side by side along one axis. */
class ConcatenateNode extends JoinNode {
  readonly signature: string;
  /** Parts in order along `axis`, which counts from 0. */
  constructor(parts: readonly Tensor[], readonly axis: number) {
    const total = parts.reduce((sum, part) => sum + part.shape[axis], 0);
    const shape = parts[0].shape.map((size, index) => index === axis ? total : size);
    super("concatenate", parts, [{ shape, dtype: arithmeticType(parts[0].dtype) }]);
    this.signature = `concatenate ${axis}`;
  }
  override withInputs(inputs: readonly Tensor[]): Node {
    return new ConcatenateNode(inputs, this.axis);
  }
  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    if (!cotangent) return [];
    let start = 0;
    return this.inputs.map((part) => {
      const size = part.shape[this.axis];
      start += size;
      return slice(cotangent, this.axis, start - size, size);
    });
  }
  override writesStrided(): boolean {
    return true;
  }
  override windows(output: View): View[] {
    let start = 0;
    return this.inputs.map((part) => {
      const size = part.shape[this.axis];
      start += size;
      return sliceView(output, this.axis, start - size, size);
    });
  }
  /** Copies of the parts that do not already lie in their windows. */
  override lower(inputs: readonly View[], [output]: readonly View[]): Step[] {
    return this.windows(output).flatMap((window, index) => {
      const from = inputs[index];
      return sameView(from, window) ? [] : [copyStep(from, window)];
    });
  }
}

/** A tensor between zeros along one axis: the gradient of a slice. */
export class PadNode extends Node {
  readonly signature: string;
  /** `x` from `start` on in an axis that gets the length `size`. */
  constructor(x: Tensor, readonly axis: number, readonly start: number, readonly size: number) {
    const shape = x.shape.map((part, index) => index === axis ? size : part);
    super("pad", [x], [{ shape, dtype: arithmeticType(x.dtype) }]);
    this.signature = `pad ${axis} ${start} ${size}`;
  }
  override withInputs([x]: readonly Tensor[]): Node {
    return new PadNode(x, this.axis, this.start, this.size);
  }
  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    return [cotangent && slice(cotangent, this.axis, this.start, this.inputs[0].shape[this.axis])];
  }
  protected override arithmetic(): Arithmetic {
    return { multiplyAdds: 0, flops: 0 };
  }
  override activation(): ActivationStorage {
    return "operands";
  }
  override elementOperands(): readonly Tensor[] {
    return this.inputs;
  }
  override lower([from]: readonly View[], [output]: readonly View[]): Step[] {
    const zero = elementwiseStep(constant(0, arithmeticType(output.dtype)), [], output);
    return [zero, copyStep(from, sliceView(output, this.axis, this.start, from.shape[this.axis]))];
  }
}

/**
 * The same elements, in row-major order, in another shape. One size may be -1.
 *
 * @throws RangeError when the element counts differ.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (shape.filter((size) => size === -1).length > 1) {
    throw new RangeError(`reshape: ${formatShape(shape)} leaves more than one size open`);
  }
  const known = shape.reduce((product, size) => size === -1 ? product : product * size, 1);
  const resolved = shape.map((size) => size === -1 ? elementCount(x.shape) / known : size);
  if (elementCount(resolved) !== elementCount(x.shape)) {
    throw new RangeError(`reshape: ${formatShape(x.shape)} does not fit ${formatShape(shape)}`);
  }
  if (sameShape(resolved, x.shape)) return x;
  return new ReshapeNode(x, resolved).outputs[0];
}

/**
 * Axes in another order: axis i of the result is axis `order[i]` of `x`.
 *
 * @throws RangeError when `order` does not name each axis once
 */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const axes = order.map((axis) => normalizeAxis(axis, x.shape.length, "permute"));
  if (axes.length !== x.shape.length || new Set(axes).size !== axes.length) {
    throw new RangeError(`permute: (${order}) does not name each axis of ${formatShape(x.shape)}`);
  }
  if (axes.every((axis, index) => axis === index)) return x;
  return new PermuteNode(x, axes).outputs[0];
}

/**
 * The last two axes exchanged.
 *
 * @throws RangeError when there are fewer than two
 */
export function transpose(x: Tensor): Tensor {
  const order = x.shape.map((_, axis) => axis);
  const rank = order.length;
  if (rank < 2) throw new RangeError(`transpose: ${formatShape(x.shape)} has fewer than two axes`);
  [order[rank - 2], order[rank - 1]] = [order[rank - 1], order[rank - 2]];
  return permute(x, order);
}

/**
 * Elements `[start, start + size)` of one axis.
 *
 * @param axis counted from the end when negative
 * @throws RangeError when the range is empty or does not lie in the axis
 */
export function slice(x: Tensor, axis: number, start: number, size: number): Tensor {
  const index = normalizeAxis(axis, x.shape.length, "slice");
  const full = x.shape[index];
  const whole = Number.isInteger(start) && Number.isInteger(size);
  if (!whole || start < 0 || size < 1 || start + size > full) {
    throw new RangeError(
      `slice: [${start}, ${start + size}) is outside axis ${axis} of ${formatShape(x.shape)}`,
    );
  }
  return size === full ? x : new SliceNode(x, index, start, size).outputs[0];
}

/**
 * Equal parts of one axis, in order.
 *
 * @param parts their number
 * @param axis counted from the end when negative
 * @throws RangeError when `parts` does not divide the axis
 */
export function split(x: Tensor, parts: number, axis: number): Tensor[] {
  const index = normalizeAxis(axis, x.shape.length, "split");
  const size = x.shape[index] / parts;
  if (!Number.isInteger(size)) {
    throw new RangeError(
      `split: axis ${axis} of ${formatShape(x.shape)} is not ${parts} equal parts`,
    );
  }
  return Array.from({ length: parts }, (_, part) => slice(x, index, part * size, size));
}

/**
 * Repeats axes of size 1 (and new leading axes) up to `shape`.
 *
 * @throws RangeError naming both shapes when they do not fit
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  const added = shape.length - x.shape.length;
  const fits = added >= 0 &&
    x.shape.every((size, axis) => size === 1 || size === shape[axis + added]);
  if (!fits) {
    throw new RangeError(
      `broadcastTo: ${formatShape(x.shape)} does not broadcast to ${formatShape(shape)}`,
    );
  }
  return sameShape(x.shape, shape) ? x : new BroadcastNode(x, shape).outputs[0];
}

/**
 * Tensors side by side along one axis.
 *
 * @param parts at least one, of one element type, equal in all other sizes
 * @param axis counted from the end when negative
 * @throws RangeError naming the shape that does not fit
 */
export function concatenate(parts: readonly Tensor[], axis: number): Tensor {
  if (parts.length === 0) throw new RangeError("concatenate: no parts");
  const index = normalizeAxis(axis, parts[0].shape.length, "concatenate");
  for (const part of parts) {
    const fits = arithmeticType(part.dtype) === arithmeticType(parts[0].dtype) &&
      part.shape.length === parts[0].shape.length &&
      part.shape.every((size, k) => k === index || size === parts[0].shape[k]);
    if (!fits) {
      throw new RangeError(
        `concatenate: ${formatShape(part.shape)} does not continue ${
          formatShape(parts[0].shape)
        } along axis ${axis}`,
      );
    }
  }
  return parts.length === 1 ? parts[0] : new ConcatenateNode(parts, index).outputs[0];
}

/**
 * `x` at `[start, start + its size)` of an axis of length `size` that is zero elsewhere.
 *
 * @param axis counted from the end when negative
 * @throws RangeError when `x` does not fit there
 */
export function pad(x: Tensor, axis: number, start: number, size: number): Tensor {
  const index = normalizeAxis(axis, x.shape.length, "pad");
  if (start < 0 || start + x.shape[index] > size) {
    throw new RangeError(
      `pad: ${formatShape(x.shape)} at ${start} does not fit an axis of ${size}`,
    );
  }
  return x.shape[index] === size ? x : new PadNode(x, index, start, size).outputs[0];
}

/** The same values, through which no gradient flows. */
export function detach(x: Tensor): Tensor {
  return new DetachNode(x).outputs[0];
}
