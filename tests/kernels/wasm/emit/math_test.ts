/** Elementary functions of generated code against double precision, with relaxed and plain SIMD. */
import assert from "node:assert/strict";
import { type FunctionBuilder, ModuleBuilder } from "../../../../kernels/wasm/emit/assembler.ts";
import * as math from "../../../../kernels/wasm/emit/math.ts";

/** Applies an emitter to a list of numbers. */
function apply(
  emit: (f: FunctionBuilder) => FunctionBuilder,
  values: readonly number[],
  relaxed: boolean,
): Float32Array {
  const module = new ModuleBuilder({ relaxed, lanes: 4 });
  const f = module.function("apply", ["i32", "i32"], []);
  const [address, end] = f.parameters;
  f.forRange(address, end, 16, () => {
    f.get(address).get(address).v128Load();
    emit(f).v128Store();
  });
  const memory = new WebAssembly.Memory({ initial: 64, maximum: 65536, shared: true });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()), {
    env: { memory },
  });
  const floats = new Float32Array(memory.buffer);
  floats.set(values);
  const run = instance.exports.apply as (address: number, end: number) => void;
  run(0, 16 * Math.ceil(values.length / 4));
  return floats.slice(0, values.length);
}

function sweep(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.fround(from + (to - from) * i / (count - 1)));
}

/** Largest error in units of the last place of the exact result. */
function worstUlps(
  emit: (f: FunctionBuilder) => FunctionBuilder,
  exact: (x: number) => number,
  values: readonly number[],
  relaxed: boolean,
): number {
  const results = apply(emit, values, relaxed);
  return Math.max(...values.map((x, i) => {
    const y = exact(x);
    const ulp = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(y), 2 ** -126))) - 23);
    return Math.abs(results[i] - y) / ulp;
  }));
}

for (const relaxed of [true, false]) {
  const suffix = relaxed ? "relaxed SIMD" : "plain SIMD";

  Deno.test(`exponential is accurate to 2 ulp over the full range, ${suffix}`, () => {
    const values = [...sweep(-87.3, 88.7, 40001), ...sweep(-1, 1, 20001)];
    assert.ok(worstUlps(math.exponential, Math.exp, values, relaxed) < 1.6);
    const special = [-Infinity, -1000, -87.5, 0, -0, 89, 1000, Infinity, NaN];
    assert.deepEqual(
      [...apply(math.exponential, special, relaxed)],
      [0, 0, 0, 1, 1, Infinity, Infinity, Infinity, NaN],
    );
  });

  Deno.test(`the bounded exponential has the same bits below the bound, ${suffix}`, () => {
    const values = [-Infinity, -1000, -0, NaN, ...sweep(-100, 88.7, 20001)];
    assert.deepEqual(
      apply(math.boundedExponential, values, relaxed),
      apply(math.exponential, values, relaxed),
    );
  });

  Deno.test(`logarithm is accurate to 2 ulp over the full range, ${suffix}`, () => {
    const values = [...sweep(1e-6, 4, 40001), ...sweep(0.9, 1.1, 20001)];
    for (let exponent = -140; exponent < 128; exponent++) {
      values.push(Math.fround(1.37 * 2 ** exponent));
    }
    assert.ok(worstUlps(math.logarithm, Math.log, values, relaxed) < 2);
    const special = [0, -0, -1, -Infinity, Infinity, NaN, 1];
    assert.deepEqual(
      [...apply(math.logarithm, special, relaxed)],
      [-Infinity, -Infinity, NaN, NaN, Infinity, NaN, 0],
    );
  });

  Deno.test(`sine and cosine are accurate to 1.5e-7 up to 1e5, ${suffix}`, () => {
    const values = [...sweep(-10, 10, 20001), ...sweep(-1e5, 1e5, 40001)];
    const sines = apply(math.sine, values, relaxed);
    const cosines = apply(math.cosine, values, relaxed);
    let worst = 0;
    values.forEach((x, i) => {
      worst = Math.max(
        worst,
        Math.abs(sines[i] - Math.sin(x)),
        Math.abs(cosines[i] - Math.cos(x)),
      );
    });
    assert.ok(worst < 1.5e-7, `error ${worst}`);
    assert.ok(apply(math.sine, [1e30, -1e12, 4e7, 1e8], relaxed).every((y) => Math.abs(y) <= 1));
  });

  Deno.test(`sigmoid is accurate to 4 ulp and saturates, ${suffix}`, () => {
    const exact = (x: number) => 1 / (1 + Math.exp(-x));
    assert.ok(worstUlps(math.sigmoid, exact, sweep(-80, 80, 30001), relaxed) < 4);
    assert.deepEqual([...apply(math.sigmoid, [-200, 200, 0, NaN], relaxed)], [0, 1, 0.5, NaN]);
  });

  Deno.test(`horizontal sum and maximum, ${suffix}`, () => {
    const sum = (f: FunctionBuilder) => math.horizontalSum(f).f32x4Splat();
    const maximum = (f: FunctionBuilder) => math.horizontalMaximum(f).f32x4Splat();
    assert.deepEqual([...apply(sum, [1, 20, 300, 4000], relaxed)], [4321, 4321, 4321, 4321]);
    assert.deepEqual([...apply(maximum, [1, 9, -3, 4], relaxed)], [9, 9, 9, 9]);
    assert.ok(Number.isNaN(apply(maximum, [1, 9, NaN, 4], relaxed)[0]));
  });
}
