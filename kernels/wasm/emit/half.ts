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
import type { FunctionBuilder, ModuleBuilder } from "./assembler.ts";

/** Pops an address and pushes four elements, from `first` on, as single-precision numbers. */
export function loadFloats(f: FunctionBuilder, storage: FloatType, first = 0): void {
  if (storage === "f32") f.v128Load(elementBytes.f32 * first);
  else loadHalves(f, first);
}

/** Bits of a half without its sign, where a single has its exponent and fraction. */
const magnitudeBits = 0x7fff << 13;
/** The same of the largest finite half. */
const largestFinite = 0x7bff << 13;
const infinityBits = 0x7f800000;
const signBit = 0x80000000 | 0;

function loadHalves(f: FunctionBuilder, first: number): void {
  f.withLocals(["v128", "v128"], (halves, magnitude) => {
    // Extended by their signs, which thereby arrive in bit 31.
    f.i32x4Load16x4S(elementBytes.f16 * first).tee(halves);
    f.i32Const(13).i32x4Shl().i32x4Const(magnitudeBits).v128And().tee(magnitude);
    f.f32x4Const(2 ** 112).f32x4Mul();
    f.get(magnitude).i32x4Const(largestFinite).i32x4GtS();
    f.i32x4Const(infinityBits).v128And().v128Or();
    f.get(halves).i32x4Const(signBit).v128And().v128Or();
  });
}

/** Emits `(source, target, vectors)`: halves to singles, four at a time. */
export function defineWiden(module: ModuleBuilder): FunctionBuilder {
  return module.define("widen", (_, name) => {
    const f = module.function(name, ["i32", "i32", "i32"], []);
    const [source, target, vectors] = f.parameters;
    f.repeat(vectors, () => {
      f.get(target).get(source);
      loadHalves(f, 0);
      f.v128Store();
      f.increment(source, 8).increment(target, 16);
    });
    return f;
  });
}
