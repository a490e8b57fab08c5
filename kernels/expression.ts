/**
 * Scalar expressions: the body of every element-wise kernel, of matrix-product epilogues and of
 * the prologue of reductions.
 *
 * An expression is an interned directed acyclic graph: building the same expression twice gives the
 * same object, so that common sub-expressions are shared by construction and code generators may
 * use the object as a key. `load(k)` stands for the element of the k-th operand.
 *
 * @module
 */
import type { ArithmeticType } from "./shape.ts";

/** Types a scalar may have inside an expression; `bool` never leaves it. */
export type ScalarType = ArithmeticType | "bool";

/** Scalar operations that take one argument. */
export type UnaryOp =
  | "negate"
  | "absolute"
  | "squareRoot"
  | "exponential"
  | "logarithm"
  | "sine"
  | "cosine"
  | "sigmoid"
  | "floor"
  | "not"
  | "toFloat"
  | "toInt";

/** Scalar operations that take two arguments of the same type. Comparisons give `bool`. */
export type BinaryOp =
  | "add"
  | "subtract"
  | "multiply"
  | "divide"
  | "maximum"
  | "minimum"
  | "less"
  | "lessEqual"
  | "equal"
  | "and"
  | "or";

/** One interned node. `args` are the operands in order. */
export type Expression =
  & { readonly id: number; readonly type: ScalarType; readonly args: readonly Expression[] }
  & (
    | { readonly op: "load"; readonly input: number }
    | { readonly op: "constant"; readonly value: number }
    | { readonly op: UnaryOp | BinaryOp | "select" }
  );

const interned = new Map<string, Expression>();

function intern(key: string, make: (id: number) => Expression): Expression {
  let expression = interned.get(key);
  if (!expression) {
    expression = make(interned.size);
    interned.set(key, expression);
  }
  return expression;
}

/** The element of operand `input`. */
export function load(input: number, type: ArithmeticType = "f32"): Expression {
  return intern(
    `load ${input} ${type}`,
    (id) => ({ id, op: "load", type, args: [], input }),
  );
}

/** A constant; `f32` constants are rounded to single precision. */
export function constant(value: number, type: ScalarType = "f32"): Expression {
  const rounded = type === "f32" ? Math.fround(value) : Math.trunc(value);
  const key = Object.is(rounded, -0) ? "-0" : `${rounded}`;
  return intern(
    `constant ${key} ${type}`,
    (id) => ({ id, op: "constant", type, args: [], value: rounded }),
  );
}

function node(op: UnaryOp | BinaryOp | "select", type: ScalarType, args: Expression[]): Expression {
  const key = `${op} ${args.map((arg) => arg.id).join(" ")}`;
  return intern(key, (id) => ({ id, op, type, args }));
}

const isConstant = (e: Expression, value: number): boolean =>
  e.op === "constant" && e.value === value;

/** Applies a one-argument operation. */
export function unary(op: UnaryOp, x: Expression): Expression {
  if (op === "toFloat" && x.type === "f32") return x;
  if (op === "toInt" && x.type === "i32") return x;
  if (x.op === "constant" && x.type === "f32" && op !== "toInt" && op !== "not") {
    return constant(scalarFunctions[op](x.value));
  }
  if (op === "negate" && x.op === "negate") return x.args[0];
  const type: ScalarType = op === "toFloat"
    ? "f32"
    : op === "toInt"
    ? "i32"
    : op === "not"
    ? "bool"
    : x.type;
  return node(op, type, [x]);
}

const comparisons: ReadonlySet<string> = new Set(["less", "lessEqual", "equal"]);

/**
 * Applies a two-argument operation.
 *
 * @throws RangeError when the arguments differ in type
 */
export function binary(op: BinaryOp, a: Expression, b: Expression): Expression {
  if (a.type !== b.type) throw new RangeError(`${op}: ${a.type} and ${b.type} differ`);
  if (a.op === "constant" && b.op === "constant" && a.type === "f32" && !comparisons.has(op)) {
    return constant(scalarFunctions[op](a.value, b.value));
  }
  const simplified = simplifyBinary(op, a, b);
  return simplified ?? node(op, comparisons.has(op) ? "bool" : a.type, [a, b]);
}

/** Identities that hold for every finite operand; gradients produce many of them. */
function simplifyBinary(op: BinaryOp, a: Expression, b: Expression): Expression | undefined {
  switch (op) {
    case "add":
      if (isConstant(a, 0)) return b;
      if (isConstant(b, 0)) return a;
      return undefined;
    case "subtract":
      return isConstant(b, 0) ? a : isConstant(a, 0) ? unary("negate", b) : undefined;
    case "multiply":
      if (isConstant(a, 0) || isConstant(b, 1)) return a;
      if (isConstant(b, 0) || isConstant(a, 1)) return b;
      if (isConstant(a, -1)) return unary("negate", b);
      if (isConstant(b, -1)) return unary("negate", a);
      return undefined;
    case "divide":
      return isConstant(b, 1) ? a : undefined;
    default:
      return undefined;
  }
}

/**
 * `condition ? whenTrue : whenFalse`.
 *
 * @throws RangeError when the condition is no `bool` or the branches differ in type
 */
export function select(
  condition: Expression,
  whenTrue: Expression,
  whenFalse: Expression,
): Expression {
  if (whenTrue === whenFalse) return whenTrue;
  if (condition.type !== "bool" || whenTrue.type !== whenFalse.type) {
    throw new RangeError(`select: ${condition.type}, ${whenTrue.type}, ${whenFalse.type}`);
  }
  return node("select", whenTrue.type, [condition, whenTrue, whenFalse]);
}

/** Every node of an expression once, arguments before their users. */
export function topological(root: Expression): Expression[] {
  const order: Expression[] = [];
  const seen = new Set<Expression>();
  const visit = (e: Expression): void => {
    if (seen.has(e)) return;
    seen.add(e);
    e.args.forEach(visit);
    order.push(e);
  };
  visit(root);
  return order;
}

/** Replaces every `load(k)` by `operands[k]`. */
export function substitute(root: Expression, operands: readonly Expression[]): Expression {
  const replaced = new Map<Expression, Expression>();
  for (const e of topological(root)) {
    replaced.set(e, rebuild(e, e.args.map((arg) => replaced.get(arg)!), operands));
  }
  return replaced.get(root)!;
}

function rebuild(
  e: Expression,
  args: Expression[],
  operands: readonly Expression[],
): Expression {
  if (e.op === "load") return operands[e.input];
  if (e.op === "constant") return e;
  if (e.op === "select") return select(args[0], args[1], args[2]);
  return args.length === 1
    ? unary(e.op as UnaryOp, args[0])
    : binary(e.op as BinaryOp, args[0], args[1]);
}

/**
 * Reverse-mode derivative of an expression.
 *
 * @returns for each operand index, `cotangent * d root / d load(index)` as an expression; operands
 * that do not influence the result are absent. Integers and comparisons carry no gradient.
 */
export function differentiate(root: Expression, cotangent: Expression): Map<number, Expression> {
  const adjoints = new Map<Expression, Expression>([[root, cotangent]]);
  const gradients = new Map<number, Expression>();
  for (const e of topological(root).reverse()) {
    const adjoint = adjoints.get(e);
    if (!adjoint || e.type !== "f32") continue;
    if (e.op === "load") gradients.set(e.input, adjoint);
    derivatives(e, adjoint).forEach((term, position) => {
      if (!term) return;
      const arg = e.args[position];
      const sum = adjoints.get(arg);
      adjoints.set(arg, sum ? binary("add", sum, term) : term);
    });
  }
  return gradients;
}

/** Contribution of one node to the adjoint of each of its arguments. */
function derivatives(e: Expression, adjoint: Expression): (Expression | undefined)[] {
  const [x, y] = e.args;
  const times = (factor: Expression): Expression => binary("multiply", adjoint, factor);
  const zero = constant(0);
  switch (e.op) {
    case "negate":
      return [unary("negate", adjoint)];
    case "absolute":
      return [select(binary("less", x, zero), unary("negate", adjoint), adjoint)];
    case "squareRoot":
      return [binary("divide", binary("multiply", constant(0.5), adjoint), e)];
    case "exponential":
      return [times(e)];
    case "logarithm":
      return [binary("divide", adjoint, x)];
    case "sine":
      return [times(unary("cosine", x))];
    case "cosine":
      return [unary("negate", times(unary("sine", x)))];
    case "sigmoid":
      return [times(binary("multiply", e, binary("subtract", constant(1), e)))];
    case "add":
      return [adjoint, adjoint];
    case "subtract":
      return [adjoint, unary("negate", adjoint)];
    case "multiply":
      return [times(y), times(x)];
    case "divide":
      return [binary("divide", adjoint, y), unary("negate", binary("divide", times(e), y))];
    case "maximum":
      return routed(binary("lessEqual", y, x), adjoint);
    case "minimum":
      return routed(binary("lessEqual", x, y), adjoint);
    case "select":
      return [undefined, ...routed(x, adjoint)];
    default:
      return [];
  }
}

/** The adjoint goes to the first argument where `first` holds, otherwise to the second. */
function routed(first: Expression, adjoint: Expression): Expression[] {
  const zero = constant(0);
  return [select(first, adjoint, zero), select(first, zero, adjoint)];
}

/** Operands an expression reads, ascending. */
export function loadedInputs(root: Expression): number[] {
  const inputs = topological(root).flatMap((e) => e.op === "load" ? [e.input] : []);
  return [...new Set(inputs)].sort((a, b) => a - b);
}

/** The operands whose values reach the result, in ascending order: not those that are only compared. */
export function valueInputs(root: Expression): number[] {
  const found = new Set<number>();
  const visited = new Set<Expression>();
  const visit = (e: Expression): void => {
    if (e.type === "bool" || visited.has(e)) return;
    visited.add(e);
    if (e.op === "load") found.add(e.input);
    e.args.forEach(visit);
  };
  visit(root);
  return [...found].sort((a, b) => a - b);
}

/** Scalar meaning of every operation in double precision: the reference all kernels are held to. */
const scalarFunctions: Record<UnaryOp | BinaryOp, (a: number, b?: number) => number> = {
  negate: (a) => -a,
  absolute: Math.abs,
  squareRoot: Math.sqrt,
  exponential: Math.exp,
  logarithm: Math.log,
  sine: Math.sin,
  cosine: Math.cos,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  floor: Math.floor,
  not: (a) => a ? 0 : 1,
  toFloat: (a) => a,
  toInt: Math.trunc,
  add: (a, b) => a + b!,
  subtract: (a, b) => a - b!,
  multiply: (a, b) => a * b!,
  divide: (a, b) => a / b!,
  maximum: (a, b) => Math.max(a, b!),
  minimum: (a, b) => Math.min(a, b!),
  less: (a, b) => a < b! ? 1 : 0,
  lessEqual: (a, b) => a <= b! ? 1 : 0,
  equal: (a, b) => a === b ? 1 : 0,
  and: (a, b) => a && b! ? 1 : 0,
  or: (a, b) => a || b! ? 1 : 0,
};

/** Evaluates an expression in double precision, `operands[k]` standing for `load(k)`. */
export function evaluate(root: Expression, operands: readonly number[]): number {
  const values = new Map<Expression, number>();
  for (const e of topological(root)) values.set(e, evaluateNode(e, values, operands));
  return values.get(root)!;
}

function evaluateNode(
  e: Expression,
  values: ReadonlyMap<Expression, number>,
  operands: readonly number[],
): number {
  if (e.op === "load") return operands[e.input];
  if (e.op === "constant") return e.value;
  const [a, b, c] = e.args.map((arg) => values.get(arg)!);
  if (e.op === "select") return a ? b : c;
  const result = scalarFunctions[e.op](a, b);
  // Integer arithmetic wraps at 32 bits on every device.
  return e.type === "i32" && e.op === "multiply"
    ? Math.imul(a, b)
    : e.type === "i32"
    ? result | 0
    : result;
}
