/**
 * The reference is itself checked: its gradients against central differences of its forward steps
 * (float64 makes them accurate to about nine digits), and a few values worked out by hand.
 *
 * @module
 */
import assert from "node:assert/strict";
import { binary, load } from "../../kernels/expression.ts";
import type { Program, Step } from "../../kernels/program.ts";
import type { View } from "../../kernels/view.ts";
import { contiguousStrides, elementCount, type Shape } from "../../kernels/shape.ts";
import { interpret, interpretStep } from "./interpreter.ts";

/** One buffer of memory for every view, filled with reproducible numbers. */
class Workspace {
  readonly memory: Float64Array[] = [];

  view(shape: Shape, fill?: (i: number) => number): View {
    const buffer = this.memory.length;
    const value = fill ?? ((i: number) => Math.sin(1 + 1.7 * i + 3.1 * buffer));
    this.memory.push(Float64Array.from({ length: elementCount(shape) }, (_, i) => value(i)));
    return { buffer, offset: 0, shape, strides: contiguousStrides(shape), dtype: "f32" };
  }

  of(view: View): Float64Array {
    return this.memory[view.buffer];
  }

  /** Derivatives of `sum(cotangent * output)` with respect to `input`, by central differences. */
  differences(step: Step, input: View, output: View, cotangent: View): number[] {
    const h = 1e-5;
    const loss = (): number => {
      interpretStep(step, this.memory);
      return this.of(output).reduce((sum, x, i) => sum + x * this.of(cotangent)[i], 0);
    };
    return Array.from(this.of(input), (x, i) => {
      this.of(input)[i] = x + h;
      const above = loss();
      this.of(input)[i] = x - h;
      const below = loss();
      this.of(input)[i] = x;
      return (above - below) / (2 * h);
    });
  }
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, expected.length, what);
  for (let i = 0; i < actual.length; i++) {
    const error = Math.abs(actual[i] - expected[i]);
    assert.ok(error < 1e-8, `${what}[${i}]: ${actual[i]} and ${expected[i]}`);
  }
}

for (const segmented of [false, true]) {
  Deno.test(`reference attention gradient${segmented ? " with segments" : ""}`, () => {
    const w = new Workspace();
    const [query, key, value] = [w.view([2, 3, 2, 4]), w.view([2, 5, 2, 4]), w.view([2, 5, 2, 4])];
    const operands = {
      query,
      key,
      value,
      ...segmented && {
        // The last query of each item sees no key.
        querySegments: w.view([2, 3], (i) => [0, 1, 9][i % 3]),
        keySegments: w.view([2, 5], (i) => i % 3),
      },
      scale: 0.7,
    };
    const output = w.view([2, 3, 2, 4]);
    const logSumExp = w.view([2, 2, 3]);
    const outputGradient = w.view([2, 3, 2, 4]);
    const forward: Step = { kind: "attention", ...operands, output, logSumExp };
    interpretStep(forward, w.memory);
    const gradients = [w.view(query.shape), w.view(key.shape), w.view(value.shape)];
    const [queryGradient, keyGradient, valueGradient] = gradients;
    interpretStep({
      kind: "attentionGradient",
      ...operands,
      output,
      logSumExp,
      outputGradient,
      rowDot: w.view([2, 2, 3]),
      queryGradient,
      keyGradient,
      valueGradient,
    }, w.memory);
    [query, key, value].forEach((input, i) => {
      const expected = w.differences(forward, input, output, outputGradient);
      assertClose(w.of(gradients[i]), expected, ["query", "key", "value"][i]);
    });
  });
}

Deno.test("reference layer norm gradient", () => {
  const w = new Workspace();
  const shape = [3, 5];
  const [input, scale, shift] = [w.view(shape), w.view(shape), w.view(shape)];
  const [output, statistics] = [w.view(shape), w.view([3, 2])];
  const forward: Step = {
    kind: "layerNorm",
    input,
    scale,
    shift,
    epsilon: 1e-3,
    output,
    statistics,
  };
  interpretStep(forward, w.memory);
  const [outputGradient, gradient] = [w.view(shape), w.view(shape)];
  const step: Step = {
    kind: "layerNormGradient",
    input,
    statistics,
    scale,
    outputGradient,
    output: gradient,
  };
  interpretStep(step, w.memory);
  const expected = w.differences(forward, input, output, outputGradient);
  assertClose(w.of(gradient), expected, "input");
});

Deno.test("reference AdamW takes one step as worked out by hand", () => {
  const w = new Workspace();
  const [parameter, gradient] = [w.view([1], () => 2), w.view([1], () => 4)];
  const [firstMoment, secondMoment, average] = [0, 0, 1].map((x) => w.view([1], () => x));
  const entries = [0.1, 0.5, 0.75, 0, 0.5, 2, 2, 0.5];
  const step: Step = {
    kind: "adamw",
    parameter,
    gradient,
    firstMoment,
    secondMoment,
    average,
    schedule: w.view([8], (i) => entries[i]),
    gradientScale: w.view([], () => 0.5),
    decay: true,
  };
  interpretStep(step, w.memory);
  // g = 2; m = 1, corrected 2; v = 1, corrected root 2; p = 2 * 0.95 - 0.1 * 2 / 2.
  assertClose(w.of(firstMoment), [1], "first moment");
  assertClose(w.of(secondMoment), [1], "second moment");
  assertClose(w.of(parameter), [1.8], "parameter");
  assertClose(w.of(average), [1.4], "average");
});

Deno.test("programs read through strides and leave their inputs alone", () => {
  const matrix: View = { buffer: 0, offset: 0, shape: [3, 2], strides: [1, 3], dtype: "f32" };
  const bias: View = { buffer: 1, offset: 1, shape: [3, 2], strides: [0, 1], dtype: "f32" };
  const program: Program = {
    name: "transposed sum",
    buffers: [
      { name: "matrix", kind: "input", dtype: "f32", elements: 6 },
      { name: "bias", kind: "state", dtype: "f32", elements: 3 },
      { name: "result", kind: "output", dtype: "f32", elements: 6 },
    ],
    steps: [{
      kind: "elementwise",
      inputs: [matrix, bias],
      expression: binary("add", load(0), load(1)),
      output: { buffer: 2, offset: 0, shape: [3, 2], strides: [2, 1], dtype: "f32" },
    }],
    arenaBytes: 0,
    slots: [],
  };
  const inputs = new Map([["matrix", [1, 2, 3, 4, 5, 6]]]);
  const states = new Map([["bias", [0, 10, 20]]]);
  const results = interpret(program, inputs, states);
  assert.deepEqual([...results.get("result")!], [11, 24, 12, 25, 13, 26]);
  assert.deepEqual([...results.get("bias")!], [0, 10, 20]);
  assert.throws(() => interpret(program, new Map([["matirx", [1]]])), /no input named matirx/);
  assert.throws(() => interpret(program, new Map([["matrix", [1]]])), /1 values for 6 elements/);
});
