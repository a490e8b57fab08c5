/**
 * Sums and maxima over axes. The fusion pass moves element-wise work before and after the reduction
 * into it, so that `mean(square(subtract(a, b)))` is one kernel.
 *
 * @module
 */
import { binary, constant, type Expression, load, select, substitute } from "../../expression.ts";
import type { Step } from "../../program.ts";
import {
  broadcastShapes,
  elementCount,
  formatShape,
  normalizeAxis,
  sameShape,
  type Shape,
} from "../../shape.ts";
import {
  type Arithmetic,
  type ElementWork,
  Node,
  requireFloats,
  type Tensor,
} from "../../tensor.ts";
import { broadcastView, permuteView, type View } from "../../view.ts";
import { countOperations, divide, map, multiply } from "../elementwise/op.ts";
import { broadcastTo, reshape } from "../movement/op.ts";

/** How elements are combined. */
export type ReduceOperator = "sum" | "maximum";

/** `output[kept] = finish(operator over the reduced axes of expression(inputs))`. */
class ReduceNode extends Node {
  readonly signature: string;
  /** Shape that is iterated over: the inputs broadcast against each other. */
  readonly fullShape: Shape;

  /**
   * @param axes of the full shape, ascending @param expression `load(k)` is `inputs[k]`
   * @param finish applied to the reduced value, `load(0)`
   * @param fullShape by default that of the inputs broadcast against each other
   */
  constructor(
    readonly operator: ReduceOperator,
    readonly axes: readonly number[],
    readonly expression: Expression,
    readonly finish: Expression,
    inputs: readonly Tensor[],
    fullShape?: Shape,
  ) {
    const full = fullShape ??
      inputs.reduce<Shape>((a, b) => broadcastShapes(a, b.shape, "reduce"), []);
    super("reduce", inputs, [{ shape: full.filter((_, k) => !axes.includes(k)), dtype: "f32" }]);
    this.fullShape = full;
    this.signature = `${operator} ${axes} ${expression.id} ${finish.id} ${full}`;
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    const { operator, axes, expression, finish, fullShape } = this;
    return new ReduceNode(operator, axes, expression, finish, inputs, fullShape);
  }

  /** Defined on traced graphs, where the expressions are still plain loads. */
  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    if (!cotangent) return [];
    const keep = this.fullShape.map((size, axis) => this.axes.includes(axis) ? 1 : size);
    const spread = broadcastTo(reshape(cotangent, keep), this.fullShape);
    if (this.operator === "sum") return [spread];
    const [x] = this.inputs;
    const isMaximum = map(
      (a, m) => select(binary("equal", a, m), constant(1), constant(0)),
      x,
      reshape(this.outputs[0], keep),
    );
    // Equal maxima share the gradient.
    const ties = reshape(reduceSum(isMaximum, this.axes), keep);
    return [multiply(isMaximum, divide(spread, ties))];
  }

  override get work(): ElementWork {
    return { expression: this.expression, operands: this.inputs, shape: this.fullShape };
  }

  /** A reduction without operands has no kernel. */
  override withWork({ expression, operands, shape }: ElementWork): Node {
    if (operands.length === 0) return this;
    const { operator, axes, finish } = this;
    return new ReduceNode(operator, axes, expression, finish, operands, shape);
  }

  /** Scalar work on the reduced value alone. */
  override withEpilogue({ expression, operands }: ElementWork): Node | undefined {
    if (operands.length !== 1) return undefined;
    const finish = substitute(expression, [this.finish]);
    const { operator, axes, inputs, fullShape } = this;
    return new ReduceNode(operator, axes, this.expression, finish, inputs, fullShape);
  }

  protected override arithmetic(): Arithmetic {
    const perElement = countOperations(this.expression) + 1;
    const perResult = countOperations(this.finish);
    const flops = perElement * elementCount(this.fullShape) +
      perResult * elementCount(this.outputs[0].shape);
    return { multiplyAdds: 0, flops };
  }

  override writesStrided(): boolean {
    return true;
  }

  override lower(inputs: readonly View[], [output]: readonly View[]): Step[] {
    const kept = this.fullShape.map((_, axis) => axis).filter((axis) => !this.axes.includes(axis));
    const order = [...kept, ...this.axes];
    return [{
      kind: "reduce",
      operator: this.operator,
      inputs: inputs.map((view) => permuteView(broadcastView(view, this.fullShape), order)),
      expression: this.expression,
      finish: this.finish,
      output,
    }];
  }
}

function reduce(operator: ReduceOperator, x: Tensor, axes?: readonly number[]): Tensor {
  requireFloats(operator, [x]);
  const all = axes ?? x.shape.map((_, axis) => axis);
  const normalized = all.map((axis) => normalizeAxis(axis, x.shape.length, operator));
  const sorted = [...new Set(normalized)].sort((a, b) => a - b);
  if (sorted.length === 0) return x;
  return new ReduceNode(operator, sorted, load(0), load(0), [x]).outputs[0];
}

/** Sum over the given axes (all of them by default); reduced axes disappear. */
export const reduceSum = (x: Tensor, axes?: readonly number[]): Tensor => reduce("sum", x, axes);

/** Largest element over the given axes (all of them by default); reduced axes disappear. */
export const reduceMaximum = (x: Tensor, axes?: readonly number[]): Tensor =>
  reduce("maximum", x, axes);

/** Mean over the given axes (all of them by default); reduced axes disappear. */
export function mean(x: Tensor, axes?: readonly number[]): Tensor {
  const sum = reduceSum(x, axes);
  return divide(sum, elementCount(x.shape) / elementCount(sum.shape));
}

/**
 * Sums a tensor over the axes along which `shape` was broadcast to it: the gradient of broadcasting.
 *
 * @throws RangeError when `shape` does not broadcast to the tensor's shape.
 */
export function sumToShape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const added = x.shape.length - shape.length;
  const axes = x.shape.flatMap((size, axis) => {
    const target = axis < added ? 1 : shape[axis - added];
    if (target !== 1 && target !== size) {
      throw new RangeError(`sum: ${formatShape(x.shape)} is no broadcast of ${formatShape(shape)}`);
    }
    return target !== size || axis < added ? [axis] : [];
  });
  return reshape(reduceSum(x, axes), shape);
}
