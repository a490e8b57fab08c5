/**
 * Half-precision numbers in memory: loaded four at a time and widened in registers.
 *
 * The exponents of the two formats differ by 112 in bias, so a half's bits without the sign, moved
 * to the place of a single's, are the number times 2^-112. A multiplication by 2^112 makes up for
 * it, and normalises subnormal halves on the way: WebAssembly never flushes them. Infinities and
 * NaNs come out of it as finite numbers and get their exponent of all ones back.
 *
 * @module
 */
import { elementBytes, type FloatType } from "../../shape.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import { and, integers, or } from "./integers.ts";
import { wholeVector } from "./lanes.ts";
import { kept, load, multiply, push, store, type Value } from "./values.ts";

/** Four elements, from `first` on, as single-precision numbers. */
export const loadFloats = (pointer: Local, storage: FloatType, first = 0): Value =>
  storage === "f32" ? load(pointer, elementBytes.f32 * first) : loadHalves(pointer, first);

/** Bits of a half without its sign, where a single has its exponent and fraction. */
const magnitudeBits = 0x7fff << 13;
/** The same of the largest finite half. */
const largestFinite = 0x7bff << 13;
const infinityBits = 0x7f800000;
const signBit = 0x80000000 | 0;

const loadHalves = (pointer: Local, first: number): Value => (f) => {
  f.withLocals(["v128", "v128"], (halves, magnitude) => {
    const signed = integers.loadHalves(pointer, elementBytes.f16 * first);
    // Extended by their signs, which thereby arrive in bit 31.
    const moved = integers.shiftLeft(kept(halves, signed), 13);
    const number = multiply(kept(magnitude, and(moved, magnitudeBits)), 2 ** 112);
    const infinite = and(integers.greater(magnitude, largestFinite), infinityBits);
    push(f, or(or(number, infinite), and(halves, signBit)));
  });
};

/** Emits `(source, target, vectors)`: halves to singles, four at a time. */
export function defineWiden(module: ModuleBuilder): FunctionBuilder {
  return module.define("widen", (_, name) => {
    const f = module.function(name, ["i32", "i32", "i32"], []);
    const [source, target, vectors] = f.parameters;
    f.repeat(vectors, () => {
      store(f, target, wholeVector(0), loadHalves(source, 0));
      f.increment(source, 8).increment(target, 16);
    });
    return f;
  });
}
