/**
 * Arithmetic written as formulas: values are put together first and emitted, operands before
 * operations, where they are assigned, stored or passed to a function. `integers.ts` has those of
 * addresses and bits.
 *
 * A value is emitted at every place where it is used: what is needed twice is assigned to a local.
 *
 * @example
 * ```ts
 * import { ModuleBuilder } from "./assembler.ts";
 *
 * const f = new ModuleBuilder({ relaxed: false, lanes: 4 }).function("middle", ["v128", "v128"], []);
 * const [from, to] = f.parameters;
 * assign(f, from, multiply(add(from, to), 0.5));
 * ```
 *
 * @module
 */
import type { FunctionBuilder, Label, Local, ValueType } from "./assembler.ts";
import { loadRow, type RowVector, storeRow } from "./lanes.ts";

/** Emits instructions that leave one value on the stack. */
export type Value = (f: FunctionBuilder) => void;

/** A value, the contents of a local, or a constant (in all lanes of a vector). */
export type Operand = Value | Local | number;

/** Instructions that take their operands from the stack and leave a result. */
type Instruction = {
  [Name in keyof FunctionBuilder]: FunctionBuilder[Name] extends () => FunctionBuilder ? Name
    : never;
}[keyof FunctionBuilder];

/** Leaves an operand on the stack; a number is a constant of the type. */
export function push(f: FunctionBuilder, operand: Operand, type: ValueType = "v128"): void {
  if (typeof operand === "function") operand(f);
  else if (typeof operand !== "number") f.get(operand);
  else if (type === "i32") f.i32Const(operand);
  else if (type === "f32") f.f32Const(operand);
  else f.f32x4Const(operand);
}

const operations =
  (type: ValueType) =>
  (instruction: Instruction) =>
  (...operands: readonly Operand[]): Value =>
  (f) => {
    for (const operand of operands) push(f, operand, type);
    f[instruction]();
  };

/** Makes operations on vectors of numbers, on single numbers and on single integers. */
const ofVectors = operations("v128");
const ofScalars = operations("f32");
export const ofIntegers = operations("i32");

export const add = ofVectors("f32x4Add");
export const subtract = ofVectors("f32x4Sub");
export const multiply = ofVectors("f32x4Mul");
export const divide = ofVectors("f32x4Div");
export const squareRoot = ofVectors("f32x4Sqrt");
export const negate = ofVectors("f32x4Neg");
/** The larger of two numbers, lane by lane; the first where they cannot be compared. */
export const larger = ofVectors("f32x4Pmax");
/** (a, b, c) -> a b + c. */
export const multiplyAdd = ofVectors("f32x4MultiplyAdd");
/** (a, b, c) -> c - a b. */
export const negativeMultiplyAdd = ofVectors("f32x4NegativeMultiplyAdd");
/** Masks of lanes: all bits where it is so, no bit elsewhere. */
export const less = ofVectors("f32x4Lt");
export const greater = ofVectors("f32x4Gt");
export const equal = ofVectors("f32x4Eq");
/** The larger of two numbers, lane by lane; not-a-number where either is. */
export const maximum = ofVectors("f32x4Max");
/** The smaller of two numbers, lane by lane; the first where they cannot be compared. */
export const smaller = ofVectors("f32x4Pmin");

/** The bits of the first vector that the second has not. */
export const andNot = ofVectors("v128AndNot");

const laneSelect = ofVectors("v128LaneSelect");

/** Lanes of one of two vectors: whether the mask is all ones or all zeros. */
export const select = (mask: Operand, whenOnes: Operand, whenZeros: Operand): Value =>
  laneSelect(whenOnes, whenZeros, mask);

const scalarSelect = ofScalars("select");

/** Operations on single numbers. */
export const scalar = {
  add: ofScalars("f32Add"),
  multiply: ofScalars("f32Mul"),
  divide: ofScalars("f32Div"),
  squareRoot: ofScalars("f32Sqrt"),
  negate: ofScalars("f32Neg"),
  maximum: ofScalars("f32Max"),
  equal: ofScalars("f32Eq"),
  atLeast: ofScalars("f32Ge"),
  select: (condition: Operand, whenTrue: Operand, whenFalse: Operand): Value =>
    scalarSelect(whenTrue, whenFalse, condition),
  /** A number in memory. */
  load: (pointer: Local, offset = 0): Value => (f) => f.get(pointer).f32Load(offset),
};

/** What is on top of the stack already. */
export const onStack: Value = () => {};

/** A single number in all lanes. */
export const spread = ofScalars("f32x4Splat");

/** A number in memory in all lanes. */
export const splat = (pointer: Local, offset = 0): Value => (f) =>
  f.get(pointer).v128Load32Splat(offset);

/** The first lane as a single number. */
export const firstLane = (x: Operand): Value => (f) => {
  push(f, x);
  f.f32x4ExtractLane(0);
};

/** Four numbers in memory. */
export const load = (pointer: Value | Local, offset = 0): Value => (f) => {
  push(f, pointer);
  f.v128Load(offset);
};

/** Four lanes of two vectors: 0 to 3 are those of the first, 4 to 7 of the second. */
export const shuffle = (
  a: Operand,
  b: Operand,
  lanes: readonly [number, number, number, number],
): Value =>
(f) => {
  push(f, a);
  push(f, b);
  f.i32x4Shuffle(lanes);
};

/** A vector of a row; lanes past the row are zero. */
export const row = (pointer: Local, at: RowVector): Value => (f) => loadRow(f, pointer, at);

/** A function of the top of the stack, such as `exponential`, of a vector. */
export const applied = (emit: (f: FunctionBuilder) => void, x: Operand): Value => (f) => {
  push(f, x);
  emit(f);
};

/** A value that is assigned to a local on the way. */
export const kept = (local: Local, value: Operand): Value => (f) => {
  push(f, value, local.type);
  f.tee(local);
};

/** Sets a local; numbers are constants of its type. */
export function assign(f: FunctionBuilder, local: Local, value: Operand): void {
  push(f, value, local.type);
  f.set(local);
}

/** Calls a function; what it returns stays on the stack. */
export function call(
  f: FunctionBuilder,
  target: FunctionBuilder,
  ...operands: readonly Operand[]
): void {
  operands.forEach((operand, i) => push(f, operand, target.parameterTypes[i]));
  f.call(target);
}

/** Runs `then` where a condition holds, else `otherwise`. */
export function when(
  f: FunctionBuilder,
  condition: Operand,
  then: () => void,
  otherwise?: () => void,
): void {
  push(f, condition, "i32");
  f.if(then, otherwise);
}

/** Branches to a label where a condition holds. */
export function branchWhen(f: FunctionBuilder, condition: Operand, label: Label): void {
  push(f, condition, "i32");
  f.branchIf(label);
}

/** Runs `body` with a temporary local that holds a vector. */
export function withVector(
  f: FunctionBuilder,
  value: Operand,
  body: (vector: Local) => void,
): FunctionBuilder {
  push(f, value);
  return f.withLocals(["v128"], (local) => {
    f.set(local);
    body(local);
  });
}

/** Stores a vector of a row, only the lanes of the row. */
export function store(f: FunctionBuilder, pointer: Local, at: RowVector, value: Operand): void {
  storeRow(f, pointer, at, () => push(f, value));
}

/** Stores a single number. */
export function storeScalar(
  f: FunctionBuilder,
  pointer: Local,
  offset: number,
  value: Operand,
): void {
  f.get(pointer);
  push(f, value, "f32");
  f.f32Store(offset);
}
