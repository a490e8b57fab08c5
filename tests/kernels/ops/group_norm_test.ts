/**
 * Group norm on every device, against its definition in double precision. (`gradients_test.ts` holds
 * its derivatives to finite differences.)
 *
 * @module
 */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { silu } from "../../../kernels/ops/elementwise/op.ts";
import { groupNorm } from "../../../kernels/ops/group_norm/op.ts";
import { elementCount } from "../../../kernels/shape.ts";
import { input } from "../../../kernels/tensor.ts";
import { ripple } from "../../../base/ripple.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { eachDevice } from "../../devices.ts";

interface Form {
  readonly shape: readonly number[];
  readonly groups: number;
  readonly axes?: number;
  /** Distance of the mean from zero. */
  readonly mean?: number;
}

const forms: Form[] = [
  { shape: [1, 1, 1, 1], groups: 1 },
  { shape: [1, 3, 5, 3], groups: 1 },
  { shape: [2, 7, 3, 3], groups: 3 },
  { shape: [1, 4, 3, 5], groups: 5 },
  { shape: [2, 5, 4, 72], groups: 8, mean: 30 },
  { shape: [2, 3, 5, 3, 12], groups: 4 },
  { shape: [3, 130, 6], groups: 2, axes: 1 },
];

const epsilon = 1e-6;

/** The definition, with SiLU behind it. */
function normalized(
  { shape, groups, axes = 2 }: Form,
  x: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
): number[] {
  const channels = shape[shape.length - 1];
  const positions = elementCount(shape.slice(-1 - axes, -1));
  const groupOf = (i: number): number =>
    Math.floor(i / (positions * channels)) * groups +
    Math.floor(i % channels * groups / channels);
  const members = Map.groupBy(x.keys(), groupOf);
  const statistics = new Map([...members].map(([group, places]) => {
    const mean = places.reduce((sum, i) => sum + x[i], 0) / places.length;
    const variance = places.reduce((sum, i) => sum + (x[i] - mean) ** 2, 0) / places.length;
    return [group, { mean, deviation: Math.sqrt(variance + epsilon) }];
  }));
  return Array.from(x, (value, i) => {
    const { mean, deviation } = statistics.get(groupOf(i))!;
    const y = (value - mean) / deviation * weight[i % channels] + bias[i % channels];
    return y / (1 + Math.exp(-y));
  });
}

for (const form of forms) {
  const { shape, groups, axes, mean = 0 } = form;
  eachDevice(`group norm of (${shape}), ${groups} groups`, async (device) => {
    const channels = shape[shape.length - 1];
    const x = input("x", shape);
    const [weight, bias] = ["weight", "bias"].map((name) => input(name, [channels]));
    const output = silu(groupNorm(x, groups, epsilon, { weight, bias, axes }));
    const executable = await device.load(compile(makeGraph("group norm", { outputs: { output } })));
    const values = ripple(elementCount(shape), 1).map((value) => value + mean);
    const parameters = [ripple(channels, 2), ripple(channels, 3)];
    executable.buffer("x").write(values);
    executable.buffer("weight").write(parameters[0]);
    executable.buffer("bias").write(parameters[1]);
    executable.run();
    const actual = await executable.buffer("output").read();
    const tolerance = (16 + 8 * mean) * 2 ** -24 * 4;
    normalized(form, values, parameters[0], parameters[1]).forEach((expected, i) => {
      assert(Math.abs(actual[i] - expected) <= tolerance, `${i}: ${actual[i]}, not ${expected}`);
    });
  });
}

Deno.test("frames have the same bits however many are normalised at a time", async () => {
  const [size, channels] = [64, 32];
  const device = await createWasmDevice({ threads: 2 });
  try {
    const run = async (frames: number, first: number): Promise<number[]> => {
      const x = input("x", [1, frames, size, size, channels]);
      const output = groupNorm(x, 8, epsilon);
      const executable = await device.load(compile(makeGraph("frames", { outputs: { output } })));
      const frame = size * size * channels;
      const values = ripple(4 * frame, 1).subarray(first * frame, (first + frames) * frame);
      executable.buffer("x").write(values);
      executable.run();
      return Array.from(await executable.buffer("output").read());
    };
    const whole = await run(4, 0);
    for (const [frames, first] of [[1, 0], [2, 2]]) {
      const part = await run(frames, first);
      const start = first * whole.length / 4;
      const differing = part.filter((value, i) => !Object.is(value, whole[start + i]));
      assert.equal(differing.length, 0, `${frames} frames from ${first} on`);
    }
  } finally {
    device.close();
  }
});

Deno.test("group norm refuses what does not fit, naming it", () => {
  const x = input("x", [2, 3, 3, 6]);
  assert.throws(() => groupNorm(x, 4, epsilon), /4 groups of \(2, 3, 3, 6\)/);
  assert.throws(() => groupNorm(input("y", [3, 6]), 2, epsilon), /over 2 sizes/);
  assert.throws(
    () => groupNorm(x, 2, epsilon, { bias: input("b", [2, 5]) }),
    /a weight or bias \(2, 5\); it must be \(6\) or \(2, 6\)/,
  );
});
