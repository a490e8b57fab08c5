/**
 * Formulas of integers: numbers of rows, addresses, and bits of vectors.
 *
 * @module
 */
import type { FunctionBuilder, Local } from "./assembler.ts";
import { ofIntegers, type Operand, push, type Value } from "./values.ts";

const select = ofIntegers("select");

/** Operations on single integers, unsigned where that makes a difference. */
export const integer = {
  add: ofIntegers("i32Add"),
  subtract: ofIntegers("i32Sub"),
  multiply: ofIntegers("i32Mul"),
  divide: ofIntegers("i32DivU"),
  remainder: ofIntegers("i32RemU"),
  shiftLeft: ofIntegers("i32Shl"),
  shiftRight: ofIntegers("i32ShrU"),
  and: ofIntegers("i32And"),
  xor: ofIntegers("i32Xor"),
  less: ofIntegers("i32LtU"),
  atMost: ofIntegers("i32LeU"),
  greater: ofIntegers("i32GtU"),
  atLeast: ofIntegers("i32GeU"),
  equal: ofIntegers("i32Eq"),
  different: ofIntegers("i32Ne"),
  isZero: ofIntegers("i32Eqz"),
  lessSigned: ofIntegers("i32LtS"),
  greaterSigned: ofIntegers("i32GtS"),
  select: (condition: Operand, whenTrue: Operand, whenFalse: Operand): Value =>
    select(whenTrue, whenFalse, condition),
  /** The smaller of two numbers, which are computed twice. */
  smaller: (a: Operand, b: Operand): Value => select(a, b, integer.less(a, b)),
  /** An integer in memory. */
  load: (pointer: Value | Local, offset = 0): Value => (f) => {
    push(f, pointer);
    f.i32Load(offset);
  },
};

/** Instructions on two vectors of integers, whose numbers are constants of all lanes. */
type VectorInstruction =
  | "i32x4Add"
  | "i32x4Sub"
  | "i32x4Eq"
  | "i32x4LtS"
  | "i32x4GtS"
  | "i32x4LeU"
  | "i64x2ExtmulLowI32x4U"
  | "i64x2ExtmulHighI32x4U"
  | "v128And"
  | "v128Or"
  | "v128Xor";

const ofVectors = (instruction: VectorInstruction) => (a: Operand, b: Operand): Value => (f) => {
  for (const operand of [a, b]) {
    if (typeof operand === "number") f.i32x4Const(operand);
    else push(f, operand);
  }
  f[instruction]();
};

const shift =
  (instruction: "i32x4Shl" | "i32x4ShrU" | "i32x4ShrS") =>
  (x: Operand, bits: number): Value =>
  (f) => {
    push(f, x);
    f.i32Const(bits)[instruction]();
  };

const ofVector =
  (instruction: "f32x4ConvertI32x4S" | "v128AnyTrue") => (x: Operand): Value => (f) => {
    push(f, x);
    f[instruction]();
  };

/** Lane by lane, on vectors of integers. */
export const integers = {
  add: ofVectors("i32x4Add"),
  subtract: ofVectors("i32x4Sub"),
  equal: ofVectors("i32x4Eq"),
  less: ofVectors("i32x4LtS"),
  greater: ofVectors("i32x4GtS"),
  atMostUnsigned: ofVectors("i32x4LeU"),
  /** Unsigned products of 64 bits, of the first two lanes or of the last two. */
  productsOfFirst: ofVectors("i64x2ExtmulLowI32x4U"),
  productsOfLast: ofVectors("i64x2ExtmulHighI32x4U"),
  shiftLeft: shift("i32x4Shl"),
  shiftRight: shift("i32x4ShrU"),
  /** Copies of the sign come in from the left. */
  shiftRightSigned: shift("i32x4ShrS"),
  /** Four integers of 16 bits in memory, extended by their signs. */
  loadHalves: (pointer: Local, offset = 0): Value => (f) => f.get(pointer).i32x4Load16x4S(offset),
  toFloats: ofVector("f32x4ConvertI32x4S"),
  /** A single integer in all lanes. */
  spread: ofIntegers("i32x4Splat"),
  /** Whether any bit is set, as a single integer. */
  any: ofVector("v128AnyTrue"),
};

export const and = ofVectors("v128And");
export const or = ofVectors("v128Or");
export const xor = ofVectors("v128Xor");

/** A vector of constants: one in all lanes, or four. */
export const eachLane = (...numbers: [number] | [number, number, number, number]): Value => (f) =>
  f.i32x4Const(...numbers);

/** `base`, moved on by every index times its distance in bytes. */
export const address = (
  base: Operand,
  ...steps: readonly (readonly [index: Operand, bytes: number])[]
): Operand =>
  steps.reduce<Operand>(
    (at, [index, bytes]) => integer.add(at, integer.multiply(index, bytes)),
    base,
  );

/** Copies bytes. */
export function copyMemory(f: FunctionBuilder, target: Local, source: Local, bytes: Local): void {
  f.get(target).get(source).get(bytes).memoryCopy();
}

/** Sets bytes to a value. */
export function fillMemory(f: FunctionBuilder, target: Local, value: number, bytes: Value): void {
  f.get(target).i32Const(value);
  bytes(f);
  f.memoryFill();
}

/** Stores a single integer. */
export function storeInteger(
  f: FunctionBuilder,
  pointer: Local,
  offset: number,
  value: Operand,
): void {
  f.get(pointer);
  push(f, value, "i32");
  f.i32Store(offset);
}
