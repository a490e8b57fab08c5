/**
 * Arithmetic written as formulas: values are put together first and emitted, operands before
 * operations, where they are assigned or stored.
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
import type { FunctionBuilder, Local } from "./assembler.ts";
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

function pushVector(f: FunctionBuilder, operand: Operand): void {
  if (typeof operand === "number") f.f32x4Const(operand);
  else push(f, operand);
}

function pushScalar(f: FunctionBuilder, operand: Operand): void {
  if (typeof operand === "number") f.f32Const(operand);
  else push(f, operand);
}

function push(f: FunctionBuilder, operand: Value | Local): void {
  if (typeof operand === "function") operand(f);
  else f.get(operand);
}

const ofVectors = (instruction: Instruction) => (...operands: readonly Operand[]): Value => (f) => {
  for (const operand of operands) pushVector(f, operand);
  f[instruction]();
};

const ofScalars = (instruction: Instruction) => (...operands: readonly Operand[]): Value => (f) => {
  for (const operand of operands) pushScalar(f, operand);
  f[instruction]();
};

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
/** All bits of lanes that are equal as integers. */
export const equalIntegers = ofVectors("i32x4Eq");
export const and = ofVectors("v128And");

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
  select: (condition: Operand, whenTrue: Operand, whenFalse: Operand): Value =>
    scalarSelect(whenTrue, whenFalse, condition),
  /** A number in memory. */
  load: (pointer: Local, offset = 0): Value => (f) => f.get(pointer).f32Load(offset),
};

/** A single number in all lanes. */
export const spread = ofScalars("f32x4Splat");

/** A number in memory in all lanes. */
export const splat = (pointer: Local, offset = 0): Value => (f) =>
  f.get(pointer).v128Load32Splat(offset);

/** The first lane as a single number. */
export const firstLane = (x: Operand): Value => (f) => {
  pushVector(f, x);
  f.f32x4ExtractLane(0);
};

/** A vector of a row; lanes past the row are zero. */
export const row = (pointer: Local, at: RowVector): Value => (f) => loadRow(f, pointer, at);

/** A function of the top of the stack, such as `exponential`, of a vector. */
export const applied = (emit: (f: FunctionBuilder) => void, x: Operand): Value => (f) => {
  pushVector(f, x);
  emit(f);
};

/** A value that is assigned to a local on the way. */
export const kept = (local: Local, value: Value): Value => (f) => {
  value(f);
  f.tee(local);
};

/** Sets a local; numbers are constants of its type. */
export function assign(f: FunctionBuilder, local: Local, value: Operand): void {
  if (local.type === "f32") pushScalar(f, value);
  else pushVector(f, value);
  f.set(local);
}

/** Runs `body` with a temporary local that holds a vector. */
export function withVector(
  f: FunctionBuilder,
  value: Operand,
  body: (vector: Local) => void,
): void {
  pushVector(f, value);
  f.withLocals(["v128"], (local) => {
    f.set(local);
    body(local);
  });
}

/** Stores a vector of a row, only the lanes of the row. */
export function store(f: FunctionBuilder, pointer: Local, at: RowVector, value: Operand): void {
  storeRow(f, pointer, at, () => pushVector(f, value));
}

/** Stores a single number. */
export function storeScalar(
  f: FunctionBuilder,
  pointer: Local,
  offset: number,
  value: Operand,
): void {
  f.get(pointer);
  pushScalar(f, value);
  f.f32Store(offset);
}
