/**
 * Scalar expressions as vector code: four elements at a time, booleans as lane masks (all ones or
 * all zeros).
 *
 * A node that is used once is emitted where its value is needed and lives on the stack; a node that
 * is used several times is kept in a local from its first use on. A product that is only added or
 * subtracted becomes part of a multiply-add.
 *
 * @module
 */
import { type BinaryOp, type Expression, topological, type UnaryOp } from "../../expression.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import { cosine, exponential, logarithm, sigmoid, sine } from "./math.ts";

/** Pushes the vector of an operand. */
export type EmitLoad = (input: number) => void;

/** Emits `root`: leaves its vector on the stack. Booleans arrive as masks. */
export function emitExpression(f: FunctionBuilder, root: Expression, emitLoad: EmitLoad): void {
  new ExpressionEmitter(f, root, emitLoad).emit(root);
}

/** How many vector instructions an expression takes, roughly: decides how far to unroll. */
export function expressionWeight(root: Expression): number {
  const costly: ReadonlySet<string> = new Set([
    "exponential",
    "logarithm",
    "sine",
    "cosine",
    "sigmoid",
  ]);
  return topological(root).reduce((sum, e) => sum + (costly.has(e.op) ? 16 : 1), 0);
}

class ExpressionEmitter {
  readonly #uses = new Map<Expression, number>();
  readonly #kept = new Map<Expression, Local>();
  readonly #f: FunctionBuilder;
  readonly #emitLoad: EmitLoad;

  constructor(f: FunctionBuilder, root: Expression, emitLoad: EmitLoad) {
    this.#f = f;
    this.#emitLoad = emitLoad;
    for (const e of topological(root)) {
      for (const arg of e.args) this.#uses.set(arg, (this.#uses.get(arg) ?? 0) + 1);
    }
  }

  emit(e: Expression): void {
    const kept = this.#kept.get(e);
    if (kept) {
      this.#f.get(kept);
      return;
    }
    this.#compute(e);
    if (e.op === "constant" || (this.#uses.get(e) ?? 0) < 2) return;
    const local = this.#f.local("v128");
    this.#f.tee(local);
    this.#kept.set(e, local);
  }

  #compute(e: Expression): void {
    if (e.op === "load") this.#emitLoad(e.input);
    else if (e.op === "constant") this.#constant(e.type, e.value);
    else if (e.op === "select") {
      const [condition, whenTrue, whenFalse] = e.args;
      this.emit(whenTrue);
      this.emit(whenFalse);
      this.emit(condition);
      this.#f.v128LaneSelect();
    } else if (!this.#multiplyAdd(e)) {
      e.args.forEach((arg) => this.emit(arg));
      emitOperation(this.#f, e);
    }
  }

  #constant(type: Expression["type"], value: number): void {
    if (type === "f32") this.#f.f32x4Const(value);
    else this.#f.i32x4Const(type === "bool" ? (value ? -1 : 0) : value);
  }

  /** Whether `e` is an f32 product that nobody else needs. */
  #fusible(e: Expression): boolean {
    return e.op === "multiply" && e.type === "f32" && this.#uses.get(e) === 1;
  }

  /** Emits a sum or difference with a product in one instruction where that is possible. */
  #multiplyAdd(e: Expression): boolean {
    const [a, b] = e.args;
    if (e.type !== "f32" || (e.op !== "add" && e.op !== "subtract")) return false;
    const [product, addend] = this.#fusible(b) ? [b, a] : [a, b];
    if (!this.#fusible(product) || (e.op === "subtract" && product !== b)) return false;
    product.args.forEach((factor) => this.emit(factor));
    this.emit(addend);
    if (e.op === "add") this.#f.f32x4MultiplyAdd();
    else this.#f.f32x4NegativeMultiplyAdd();
    return true;
  }
}

type Emit = (f: FunctionBuilder) => void;

const floatOperations: Partial<Record<UnaryOp | BinaryOp, Emit>> = {
  negate: (f) => f.f32x4Neg(),
  absolute: (f) => f.f32x4Abs(),
  squareRoot: (f) => f.f32x4Sqrt(),
  exponential,
  logarithm,
  sine,
  cosine,
  sigmoid,
  floor: (f) => f.f32x4Floor(),
  toInt: (f) => f.i32x4TruncSatF32x4S(),
  add: (f) => f.f32x4Add(),
  subtract: (f) => f.f32x4Sub(),
  multiply: (f) => f.f32x4Mul(),
  divide: (f) => f.f32x4Div(),
  maximum: (f) => f.f32x4Max(),
  minimum: (f) => f.f32x4Min(),
  less: (f) => f.f32x4Lt(),
  lessEqual: (f) => f.f32x4Le(),
  equal: (f) => f.f32x4Eq(),
};

const integerOperations: Partial<Record<UnaryOp | BinaryOp, Emit>> = {
  negate: (f) => f.i32x4Neg(),
  absolute: (f) => f.i32x4Abs(),
  floor: () => {},
  toFloat: (f) => f.f32x4ConvertI32x4S(),
  add: (f) => f.i32x4Add(),
  subtract: (f) => f.i32x4Sub(),
  multiply: (f) => f.i32x4Mul(),
  divide: divideIntegers,
  maximum: (f) => f.i32x4MaxS(),
  minimum: (f) => f.i32x4MinS(),
  less: (f) => f.i32x4LtS(),
  lessEqual: (f) => f.i32x4LeS(),
  equal: (f) => f.i32x4Eq(),
};

const maskOperations: Partial<Record<UnaryOp | BinaryOp, Emit>> = {
  not: (f) => f.v128Not(),
  and: (f) => f.v128And(),
  or: (f) => f.v128Or(),
  equal: (f) => f.i32x4Eq(),
  toFloat: (f) => f.f32x4Const(1).v128And(),
  toInt: (f) => f.i32x4Const(1).v128And(),
};

const operations = { f32: floatOperations, i32: integerOperations, bool: maskOperations };

/** Applies the operation of `e` to its arguments on the stack. */
function emitOperation(f: FunctionBuilder, e: Expression): void {
  const type = e.args[0].type;
  const emit = operations[type][e.op as UnaryOp | BinaryOp];
  if (!emit) throw new Error(`operation ${e.op} is not defined for ${type}`);
  emit(f);
}

/** There is no integer division of vectors; doubles hold all quotients of 32-bit integers. */
function divideIntegers(f: FunctionBuilder): void {
  f.withLocals(["v128", "v128"], (a, b) => {
    f.set(b).set(a).get(a);
    for (let lane = 0; lane < 4; lane++) {
      f.get(a).i32x4ExtractLane(lane).f64ConvertI32S();
      f.get(b).i32x4ExtractLane(lane).f64ConvertI32S();
      f.f64Div().i32TruncSatF64S().i32x4ReplaceLane(lane);
    }
  });
}
