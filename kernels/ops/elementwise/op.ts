/**
 * Element-wise operations: any scalar expression of any number of broadcast operands.
 *
 * Single operations (`add`, `silu`, ...) are traced one by one and merged by the fusion pass, so a
 * model may be written plainly. Derivatives are taken symbolically on the expression.
 *
 * @module
 */
import {
  binary,
  type BinaryOp,
  constant,
  differentiate,
  type Expression,
  load,
  loadedInputs,
  select,
  substitute,
  topological,
  unary,
  valueInputs,
} from "../../expression.ts";
import type { Step } from "../../program.ts";
import {
  arithmeticType,
  broadcastShapes,
  elementCount,
  sameShape,
  type Shape,
} from "../../shape.ts";
import { broadcastView, type View } from "../../view.ts";
import {
  type ActivationStorage,
  type Arithmetic,
  type ElementWork,
  Node,
  type Tensor,
} from "../../tensor.ts";
import type { ElementwiseStep } from "./step.ts";

/** `output = expression(inputs)`, operands broadcast against each other. */
class ElementwiseNode extends Node {
  readonly signature: string;

  /** `load(k)` of the expression is `inputs[k]`; by default the inputs are broadcast together. */
  constructor(readonly expression: Expression, inputs: readonly Tensor[], shape?: Shape) {
    const common = shape ??
      inputs.reduce<Shape>((a, b) => broadcastShapes(a, b.shape, "elementwise"), []);
    const { type } = expression;
    if (type === "bool") throw new RangeError("elementwise: a truth value is no element");
    super("elementwise", inputs, [{ shape: common, dtype: type }]);
    this.signature = `elementwise ${expression.id} ${common}`;
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new ElementwiseNode(this.expression, inputs, this.outputs[0].shape);
  }

  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    if (!cotangent) return [];
    const partials = differentiate(this.expression, load(this.inputs.length));
    return this.inputs.map((_, index) => {
      const partial = partials.get(index);
      return partial && mapExpression(partial, [...this.inputs, cotangent]);
    });
  }

  protected override arithmetic(): Arithmetic {
    const operations = countOperations(this.expression);
    return { multiplyAdds: 0, flops: operations * elementCount(this.outputs[0].shape) };
  }

  override get work(): ElementWork {
    const { expression, inputs, outputs: [{ shape }] } = this;
    return { expression, operands: inputs, shape };
  }

  override withWork({ expression, operands, shape }: ElementWork): Node {
    return new ElementwiseNode(expression, operands, shape);
  }

  override isElementwise(): boolean {
    return true;
  }

  override activation(): ActivationStorage {
    return "operands";
  }

  override elementOperands(): readonly Tensor[] {
    return valueInputs(this.expression).map((index) => this.inputs[index]);
  }

  override writesStrided(): boolean {
    return true;
  }

  override lower(inputs: readonly View[], [output]: readonly View[]): Step[] {
    const operands = inputs.map((view) => broadcastView(view, output.shape));
    return [elementwiseStep(this.expression, operands, output)];
  }
}

/** `output = expression(inputs)`, all of the output's shape; the output may take any one's place. */
export function elementwiseStep(
  expression: Expression,
  inputs: readonly View[],
  output: View,
): ElementwiseStep {
  return { kind: "elementwise", inputs, inPlace: inputs, expression, output };
}

/** Scalar operations of an expression, without loads and constants. */
export function countOperations(expression: Expression): number {
  return topological(expression).filter((e) => e.args.length > 0).length;
}

/** Applies an expression to broadcast operands; of those it does not read only the shape counts. */
function mapExpression(expression: Expression, operands: readonly Tensor[]): Tensor {
  const shape = operands.reduce<Shape>((a, b) => broadcastShapes(a, b.shape, "elementwise"), []);
  if (expression.op === "load" && sameShape(operands[expression.input].shape, shape)) {
    return operands[expression.input];
  }
  const used = loadedInputs(expression);
  const renumbered: Expression[] = [];
  used.forEach((index, position) => {
    renumbered[index] = load(position, arithmeticType(operands[index].dtype));
  });
  const inputs = used.map((index) => operands[index]);
  return new ElementwiseNode(substitute(expression, renumbered), inputs, shape).outputs[0];
}

/** An operand: a tensor, or a number that is broadcast. */
export type Operand = Tensor | number;

/**
 * Applies a function of scalars to every element of broadcast tensors:
 * `map((a, b) => binary("multiply", a, b), x, y)`.
 */
export function map(body: (...scalars: Expression[]) => Expression, ...operands: Tensor[]): Tensor {
  const scalars = operands.map(({ dtype }, index) => load(index, arithmeticType(dtype)));
  return mapExpression(body(...scalars), operands);
}

function combine(op: BinaryOp, a: Operand, b: Operand): Tensor {
  if (typeof a === "number" && typeof b === "number") {
    throw new RangeError(`${op}: at least one operand must be a tensor`);
  }
  if (typeof a === "number") return map((y) => binary(op, numberLike(a, y), y), b as Tensor);
  if (typeof b === "number") return map((x) => binary(op, x, numberLike(b, x)), a);
  return map((x, y) => binary(op, x, y), a, b);
}

/** A constant of an operand's type. */
function numberLike(value: number, { type }: Expression): Expression {
  if (type === "i32" && !Number.isInteger(value)) {
    throw new RangeError(
      `${value} cannot be combined with a tensor of integers; use toFloat first`,
    );
  }
  return constant(value, type);
}

/** Sum, element by element, with broadcasting. */
export const add = (a: Operand, b: Operand): Tensor => combine("add", a, b);
/** Difference, element by element, with broadcasting. */
export const subtract = (a: Operand, b: Operand): Tensor => combine("subtract", a, b);
/** Product, element by element, with broadcasting. */
export const multiply = (a: Operand, b: Operand): Tensor => combine("multiply", a, b);
/** Quotient, element by element, with broadcasting. */
export const divide = (a: Operand, b: Operand): Tensor => combine("divide", a, b);
/** The larger of two values. */
export const maximum = (a: Operand, b: Operand): Tensor => combine("maximum", a, b);
/** The smaller of two values. */
export const minimum = (a: Operand, b: Operand): Tensor => combine("minimum", a, b);

/** The negative of every element. */
export const negate = (x: Tensor): Tensor => map((a) => unary("negate", a), x);
/** e to the power of every element. */
export const exponential = (x: Tensor): Tensor => map((a) => unary("exponential", a), x);
/** Natural logarithm of every element. */
export const logarithm = (x: Tensor): Tensor => map((a) => unary("logarithm", a), x);
/** Square root of every element. */
export const squareRoot = (x: Tensor): Tensor => map((a) => unary("squareRoot", a), x);
/** Sine of every element, in radians. */
export const sine = (x: Tensor): Tensor => map((a) => unary("sine", a), x);
/** Cosine of every element, in radians. */
export const cosine = (x: Tensor): Tensor => map((a) => unary("cosine", a), x);
/** x^2. */
export const square = (x: Tensor): Tensor => map((a) => binary("multiply", a, a), x);
/** 1 / (1 + e^-x). */
export const sigmoid = (x: Tensor): Tensor => map((a) => unary("sigmoid", a), x);
/** Integers as floating-point numbers. */
export const toFloat = (x: Tensor): Tensor => map((a) => unary("toFloat", a), x);

/** Hyperbolic tangent as 2 sigmoid(2x) - 1, on scalars. */
function tanhExpression(x: Expression): Expression {
  const s = unary("sigmoid", binary("multiply", constant(2), x));
  return binary("subtract", binary("multiply", constant(2), s), constant(1));
}

/** Hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => map(tanhExpression, x);

/** x sigmoid(x), also known as swish. */
export const silu = (x: Tensor): Tensor =>
  map((a) => binary("multiply", a, unary("sigmoid", a)), x);

/** x where it is positive, else `slope` times x; slope is from 0 to 1. */
export const leakyRelu = (x: Tensor, slope: number): Tensor =>
  map((a) => binary("maximum", a, binary("multiply", constant(slope), a)), x);

/** log(1 + e^x), without overflow: max(x, 0) + log(1 + e^-|x|). */
export function softplus(x: Tensor): Tensor {
  return map((a) => {
    const decay = unary("exponential", unary("negate", unary("absolute", a)));
    const rest = unary("logarithm", binary("add", constant(1), decay));
    return binary("add", binary("maximum", a, constant(0)), rest);
  }, x);
}

/**
 * The tanh form of GELU, `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, written with
 * `1 + tanh z = 2 sigmoid(2 z)`.
 */
export function geluTanh(x: Tensor): Tensor {
  return map((a) => {
    const cubic = binary("multiply", binary("multiply", a, a), constant(0.044715));
    const inner = binary("multiply", a, binary("add", constant(1), cubic));
    const twice = binary("multiply", constant(2 * Math.sqrt(2 / Math.PI)), inner);
    return binary("multiply", a, unary("sigmoid", twice));
  }, x);
}

/**
 * `condition != 0 ? whenTrue : whenFalse`, element by element, with broadcasting.
 *
 * @param condition i32
 */
export function where(condition: Tensor, whenTrue: Operand, whenFalse: Operand): Tensor {
  const tensors = [whenTrue, whenFalse].filter((operand) => typeof operand !== "number");
  return map(
    (flag, ...values) => {
      const [first] = values;
      const next = (operand: Operand): Expression =>
        typeof operand !== "number"
          ? values.shift()!
          : first
          ? numberLike(operand, first)
          : constant(operand);
      const [a, b] = [next(whenTrue), next(whenFalse)];
      return select(binary("equal", flag, constant(0, "i32")), b, a);
    },
    condition,
    ...tensors,
  );
}
