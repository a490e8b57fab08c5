/**
 * The mathematical functions in WGSL against the host's double precision.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { HostArray } from "../../../kernels/shape.ts";
import { load, unary } from "../../../kernels/expression.ts";
import { StepBuilder, type StepCase } from "../ops/builder.ts";
import { gpuTest, runCase } from "./cases.ts";

type Name = "exponential" | "logarithm" | "sine" | "cosine" | "sigmoid";

const reference: Record<Name, (x: number) => number> = {
  exponential: Math.exp,
  logarithm: Math.log,
  sine: Math.sin,
  cosine: Math.cos,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

/** Function, range of arguments, allowed absolute and relative error (one of them must hold). */
const ranges: [Name, number, number, number, number][] = [
  ["exponential", -87, 88.7, 0, 2e-7],
  ["logarithm", 1e-30, 1e30, 1e-7, 2e-7],
  ["logarithm", 0.5, 2, 1.2e-7, 2e-7],
  ["sine", -1e5, 1e5, 1.5e-7, 0],
  ["cosine", -1e5, 1e5, 1.5e-7, 0],
  ["sine", -4, 4, 1.5e-7, 0],
  ["sigmoid", -80, 80, 0, 3e-7],
];

/** One element-wise step that applies a function; an even `count` is handled four at a time. */
function apply(name: Name, values: ArrayLike<number>): StepCase {
  const b = new StepBuilder(0);
  const inputs = [b.values([values.length], values)];
  const output = b.output([values.length]);
  const expression = unary(name, load(0));
  return b.build(name, { kind: "elementwise", inputs, expression, output }, 1);
}

const result = (results: ReadonlyMap<string, HostArray>) => [...results.values()][0];

gpuTest("functions keep single-precision accuracy, scalar and four wide", {}, async (device) => {
  for (const [name, low, high, absolute, relative] of ranges) {
    for (const count of [4096, 4097]) {
      const values = Float32Array.from(
        { length: count },
        (_, i) => low > 0 ? low * (high / low) ** (i / count) : low + (high - low) * (i / count),
      );
      const actual = result(await runCase(device, apply(name, values)));
      values.forEach((x, i) => {
        const expected = reference[name](x);
        const error = Math.abs(actual[i] - expected);
        assert.ok(
          error <= absolute || error <= relative * Math.abs(expected),
          `${name}(${x}) gave ${actual[i]}, expected ${expected}`,
        );
      });
    }
  }
});

gpuTest("functions handle infinities, zeros and NaN", {}, async (device) => {
  const special: [Name, number[], number[]][] = [
    ["exponential", [-Infinity, Infinity, NaN, 0, -200, 200], [0, Infinity, NaN, 1, 0, Infinity]],
    ["logarithm", [0, -0, -1, Infinity, NaN, 1], [-Infinity, -Infinity, NaN, Infinity, NaN, 0]],
    ["sigmoid", [-Infinity, Infinity, NaN, 0, -200, 200], [0, 1, NaN, 0.5, 0, 1]],
    ["sine", [0, Infinity, NaN], [0, NaN, NaN]],
    ["cosine", [0, -Infinity, NaN], [1, NaN, NaN]],
  ];
  for (const [name, values, expected] of special) {
    const actual = result(await runCase(device, apply(name, values)));
    assert.deepEqual([...actual], expected, name);
  }
});
