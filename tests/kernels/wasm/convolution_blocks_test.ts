/**
 * Convolutions and gradients of weights large enough for several blocks in every direction, checked at
 * sampled elements against double precision, and on one to three threads for the same bits.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ripple } from "../../../base/ripple.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { convolution, type ConvolutionOptions } from "../../../kernels/ops/convolution/op.ts";
import type { Program } from "../../../kernels/program.ts";
import { elementCount, type HostArray } from "../../../kernels/shape.ts";
import { input } from "../../../kernels/tensor.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";

interface Form {
  readonly name: string;
  /** (N, T, H, W, C) */
  readonly x: readonly number[];
  /** (O, C, kt, kh, kw) */
  readonly weight: readonly number[];
  readonly options: Required<ConvolutionOptions>;
}

const same: [number, number] = [1, 1];

const forms: Form[] = [
  {
    name: "3 x 3, 270 to 280 channels at 18 x 21",
    x: [1, 1, 18, 21, 270],
    weight: [280, 270, 1, 3, 3],
    options: { strides: [1, 1, 1], padding: [[0, 0], same, same] },
  },
  {
    name: "causal 3 x 3 x 3, 100 to 60 channels at 3 x 17 x 18",
    x: [2, 3, 17, 18, 100],
    weight: [60, 100, 3, 3, 3],
    options: { strides: [1, 1, 1], padding: [[2, 0], same, same] },
  },
  {
    name: "3 x 3 with stride 2, 150 to 130 channels at 33 x 34",
    x: [1, 1, 33, 34, 150],
    weight: [130, 150, 1, 3, 3],
    options: { strides: [1, 2, 2], padding: [[0, 0], [0, 1], [0, 1]] },
  },
  {
    name: "3 x 3, 120 to 930 channels at 2 x 2: more columns than are packed at a time",
    x: [1, 1, 2, 2, 120],
    weight: [930, 120, 1, 3, 3],
    options: { strides: [1, 1, 1], padding: [[0, 0], same, same] },
  },
];

function programOf({ name, x, weight, options }: Form): Program {
  const operands = [input("x", x), input("weight", weight)];
  const output = convolution(operands[0], operands[1], undefined, options);
  const [dx, dWeight] = gradients(output, operands, input("g", output.shape));
  return compile(makeGraph(name, { outputs: { output, dx, dWeight } }));
}

const results = ["output", "dx", "dWeight"] as const;

async function run(program: Program, threads: number): Promise<Map<string, HostArray>> {
  const device = await createWasmDevice({ threads });
  try {
    const executable = await device.load(program);
    for (const [seed, name] of ["x", "weight", "g"].entries()) {
      const buffer = executable.buffer(name);
      buffer.write(ripple(buffer.elements, seed + 1));
    }
    executable.run();
    const found = new Map<string, HostArray>();
    for (const name of results) found.set(name, await executable.buffer(name).read());
    return found;
  } finally {
    device.close();
  }
}

/** The trilinear form's terms that hold one element of one factor, summed. */
function expected(
  form: Form,
  values: readonly Float32Array[],
  factor: (typeof results)[number],
  at: readonly number[],
): number {
  const { x, weight, options: { strides, padding } } = form;
  const sizes = outputSizes(form);
  const flat = (shape: readonly number[], index: readonly number[]): number =>
    index.reduce((sum, i, axis) => sum * shape[axis] + i, 0);
  let sum = 0;
  const add = (n: number, p: readonly number[], k: readonly number[], o: number, c: number) => {
    const place = p.map((position, axis) => position * strides[axis] + k[axis] - padding[axis][0]);
    if (!place.every((position, axis) => position >= 0 && position < x[axis + 1])) return;
    const input = values[0][flat(x, [n, ...place, c])];
    const kernel = values[1][flat(weight, [o, c, ...k])];
    const gradient = values[2][flat([x[0], ...sizes, weight[0]], [n, ...p, o])];
    sum += factor === "output"
      ? input * kernel
      : factor === "dx"
      ? kernel * gradient
      : input * gradient;
  };
  const [first, ...rest] = at;
  if (factor === "dWeight") {
    forEachIndex([x[0], ...sizes], ([n, ...p]) => add(n, p, rest.slice(1), first, rest[0]));
  } else if (factor === "output") {
    forEachIndex(weight.slice(1), ([c, ...k]) => add(first, rest.slice(0, 3), k, rest[3], c));
  } else {
    forEachIndex([weight[0], ...weight.slice(2)], ([o, ...k]) => {
      const p = k.map((offset, axis) => (rest[axis] + padding[axis][0] - offset) / strides[axis]);
      const exists = p.every((position, axis) =>
        Number.isInteger(position) && position >= 0 && position < sizes[axis]
      );
      if (exists) add(first, p, k, o, rest[3]);
    });
  }
  return sum;
}

function outputSizes({ x, weight, options: { strides, padding } }: Form): number[] {
  return strides.map((stride, axis) =>
    Math.floor(
      (x[axis + 1] + padding[axis][0] + padding[axis][1] - weight[axis + 2]) / stride,
    ) + 1
  );
}

function forEachIndex(shape: readonly number[], body: (index: readonly number[]) => void): void {
  for (let flat = 0; flat < elementCount(shape); flat++) body(indexOf(shape, flat));
}

function indexOf(shape: readonly number[], flat: number): number[] {
  const index = [...shape];
  let rest = flat;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return index;
}

for (const form of forms) {
  Deno.test(`convolution in blocks: ${form.name}`, async () => {
    const program = programOf(form);
    const found = await run(program, 1);
    for (const threads of [2, 3]) {
      for (const [name, values] of await run(program, threads)) {
        assert.deepEqual(values, found.get(name), `${name} on ${threads} threads`);
      }
    }
    const shapes = {
      output: [form.x[0], ...outputSizes(form), form.weight[0]],
      dx: form.x,
      dWeight: form.weight,
    };
    const operands = [form.x, form.weight, shapes.output]
      .map((shape, seed) => ripple(elementCount(shape), seed + 1));
    for (const name of results) {
      const values = Float64Array.from(found.get(name)!);
      const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      const step = Math.max(1, Math.floor(values.length / 97));
      for (let flat = 0; flat < values.length; flat += step) {
        const index = indexOf(shapes[name], flat);
        const error = Math.abs(values[flat] - expected(form, operands, name, index)) / largest;
        assert(error < 1e-5, `${name}[${index}] is off by ${error}`);
      }
    }
  });
}

/** The frames from `first` on of a causal convolution, computed from no more frames than they see. */
async function framesFrom(first: number, kernel: readonly number[], size: number) {
  const [frames, channels] = [5, 16];
  const seen = kernel[0] - 1;
  const start = Math.max(0, first - seen);
  const x = input("x", [1, frames - start, size, size, channels]);
  const weight = input("weight", [channels, channels, ...kernel]);
  const zeros: [number, number] = [seen - (first - start), 0];
  const around = kernel.slice(1).map((side): [number, number] => [side >> 1, side >> 1]);
  const output = convolution(x, weight, undefined, { padding: [zeros, ...around] });
  const device = await createWasmDevice({ threads: 2 });
  try {
    const executable = await device.load(compile(makeGraph("frames", { outputs: { output } })));
    const frame = size * size * channels;
    executable.buffer("x").write(ripple(frames * frame, 1).subarray(start * frame));
    executable.buffer("weight").write(ripple(elementCount(weight.shape), 2));
    executable.run();
    const values = await executable.buffer("output").read();
    return Array.from(values).slice(-(frames - first) * frame);
  } finally {
    device.close();
  }
}

for (const [kernel, size] of [[[3, 3, 3], 8], [[3, 3, 3], 3], [[1, 1, 1], 4]] as const) {
  Deno.test(`frames of a clip have the same bits alone: ${kernel.join(" x ")} at ${size}`, async () => {
    const whole = await framesFrom(0, kernel, size);
    for (const first of [1, 3, 4]) {
      const part = await framesFrom(first, kernel, size);
      assert.deepEqual(part, whole.slice(-part.length), `frames from ${first} on`);
    }
  });
}
