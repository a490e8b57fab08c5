/**
 * Attention with the widest heads, in both variants: they take fewer rows an invocation and, in
 * workgroup memory, several slices of the columns.
 *
 * @module
 */
import assert from "node:assert/strict";
import { contiguousStrides } from "../../../kernels/shape.ts";
import { requestAdapter } from "../../../kernels/webgpu/adapter.ts";
import { takesFewerCases } from "../../scale.ts";
import { interpret } from "../../reference/interpreter.ts";
import { StepBuilder, type StepCase } from "./builder.ts";
import { LoadedProgram } from "./gpu_runner.ts";

const queries = 35;
const keys = 20;

/** Attention and its gradient in one program; everything the steps write is compared. */
function wideCase(width: number): StepCase {
  const b = new StepBuilder(0);
  const queryShape = [1, queries, 2, width];
  // Keys and values, and their gradients, are slices of packed tensors.
  const packed = [1, keys, 2, 2, width];
  const [, stride, half, head] = contiguousStrides(packed);
  const slice = (part: number) => ({
    shape: [1, keys, 2, width],
    strides: [keys * stride, stride, head, 1],
    offset: part * half,
    elements: 4 * keys * width,
  });
  const key = b.input(slice(0));
  const keyGradient = b.output(slice(0));
  const operands = {
    query: b.input(queryShape),
    key,
    value: b.alias(key, slice(1)),
    scale: 1 / Math.sqrt(width),
    output: b.output(queryShape),
    logSumExp: b.output([1, 2, queries]),
  };
  const forward = { kind: "attention", ...operands } as const;
  const backward = {
    kind: "attentionGradient",
    ...operands,
    outputGradient: b.input(queryShape),
    rowDot: b.output([1, 2, queries]),
    queryGradient: b.output(queryShape),
    keyGradient,
    valueGradient: b.alias(keyGradient, slice(1)),
  } as const;
  const test = b.build(`D ${width}`, forward, 4e-6);
  return { ...test, program: { ...test.program, steps: [forward, backward] } };
}

const adapter = await requestAdapter();
const fewer = await takesFewerCases();

for (const variant of ["workgroup", "registers"]) {
  // An emulated GPU compiles the kernels in registers for half a minute.
  const ignore = !adapter || (fewer && variant === "registers");
  Deno.test({ name: `WebGPU attention, wide heads: ${variant}`, ignore }, async () => {
    const device = await (await requestAdapter())!.requestDevice();
    let worst = 0;
    for (const width of [256]) {
      const test = wideCase(width);
      const expected = interpret(test.program, test.inputs, test.states);
      const loaded = await LoadedProgram.load(device, test.program, { software: true, variant });
      loaded.write(test.inputs);
      loaded.write(test.states);
      loaded.run();
      for (const name of test.states.keys()) {
        const actual = await loaded.read(name);
        const values = expected.get(name)!;
        const magnitude = values.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
        const error = values.reduce((m, x, i) => Math.max(m, Math.abs(x - actual[i])), 0);
        worst = Math.max(worst, error / magnitude);
        assert.ok(error <= test.tolerance * magnitude, `D ${width}, ${name}: off by ${error}`);
      }
      loaded.destroy();
    }
    device.destroy();
    console.log(`wide heads, ${variant}: largest relative error ${worst.toExponential(1)}`);
  });
}
