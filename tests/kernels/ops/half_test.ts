/** Half precision in memory: every number widened exactly, by every kernel and for every operation. */
import assert from "node:assert/strict";
import type { Device } from "../../../kernels/device.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { attention } from "../../../kernels/ops/attention/op.ts";
import { add, multiply, square } from "../../../kernels/ops/elementwise/op.ts";
import { gather } from "../../../kernels/ops/embedding/op.ts";
import { layerNorm } from "../../../kernels/ops/layer_norm/op.ts";
import { linear, matmul } from "../../../kernels/ops/matmul/op.ts";
import { matmulVariants } from "../../../kernels/ops/matmul/wgsl.ts";
import {
  broadcastTo,
  concatenate,
  pad,
  reshape,
  slice,
  transpose,
} from "../../../kernels/ops/movement/op.ts";
import { adamw } from "../../../kernels/ops/optimizer/op.ts";
import { mean, reduceSum } from "../../../kernels/ops/reduce/op.ts";
import { adamwSchedule } from "../../../kernels/ops/optimizer/step.ts";
import type { Program } from "../../../kernels/program.ts";
import { constantTensor, input, state, type Tensor } from "../../../kernels/tensor.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { eachDevice } from "../../devices.ts";
import { interpret } from "../../reference/interpreter.ts";
import { gpuTest } from "../webgpu/cases.ts";

/** What the bits of a half mean, by the formula of the standard. */
function meaning(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  const significand = exponent === 0 ? fraction / 1024 : 1 + fraction / 1024;
  return sign * significand * 2 ** (Math.max(exponent, 1) - 15);
}

const patterns = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
const finitePatterns = patterns.map((bits) => Number.isFinite(meaning(bits)) ? bits : 0);

const program = (outputs: Record<string, Tensor>): Program =>
  compile(makeGraph("halves", { outputs }));

eachDevice("all 65,536 numbers are widened exactly, infinities and NaNs too", async (device) => {
  const executable = await device.load(program({ out: state("h", [65536], "f16") }));
  executable.buffer("h").write(new Float16Array(patterns.buffer));
  executable.run();
  const found = await executable.buffer("out").read();
  patterns.forEach((bits) => {
    assert(Object.is(found[bits], meaning(bits)), `${bits.toString(16)} became ${found[bits]}`);
  });
  const kept = await executable.buffer("h").read();
  assert(patterns.every((bits) => Object.is(kept[bits], meaning(bits))));
});

/** Products with a unit matrix, which give back the right factor, stored by rows or by columns. */
async function multiplyByUnit(device: Device): Promise<void> {
  const rows = state("rows", [65536], "f16");
  const columns = state("columns", [65536], "f16");
  for (const k of [1, 4]) {
    const unit = Float32Array.from({ length: k * k }, (_, i) => i % (k + 1) === 0 ? 1 : 0);
    const left = constantTensor(unit, [k, k]);
    const n = 65536 / k;
    const byRows = matmul(left, reshape(rows, [k, n]));
    const byColumns = linear(left, reshape(columns, [n, k]));
    const executable = await device.load(program({ byRows, byColumns }));
    for (const name of ["rows", "columns"]) {
      executable.buffer(name).write(new Float16Array(finitePatterns.buffer));
    }
    executable.run();
    const fromRows = await executable.buffer("byRows").read();
    const fromColumns = await executable.buffer("byColumns").read();
    finitePatterns.forEach((bits, i) => {
      const name = `k ${k}, ${bits.toString(16)}`;
      assert(fromRows[i] === meaning(bits), `${name} by rows: ${fromRows[i]}`);
      const transposed = fromColumns[(i % k) * n + Math.floor(i / k)];
      assert(transposed === meaning(bits), `${name} by columns: ${transposed}`);
    });
    executable.destroy();
  }
}

eachDevice("products read all finite numbers exactly", multiplyByUnit);

Deno.test("products read all finite numbers exactly [wasm, batch-invariant]", async () => {
  const device = await createWasmDevice({ threads: 1, batchInvariant: true });
  try {
    await multiplyByUnit(device);
  } finally {
    device.close();
  }
});

for (const matmul of matmulVariants) {
  const options = { specFloor: true, variants: { matmul } };
  gpuTest(`products read all finite numbers exactly [webgpu, ${matmul}]`, options, multiplyByUnit);
}

eachDevice("what the host writes is rounded to nearest, or kept bit for bit", async (device) => {
  const before = device.allocatedBytes;
  const buffer = device.createBuffer("h", "f16", 9);
  assert.equal(device.allocatedBytes - before, device.kind.name === "wasm" ? 20 : 32);
  const ties = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25];
  const values = Float32Array.of(...ties, 0.1, -65519, 65520, -0, 1e-7, NaN);
  buffer.write(values);
  assert.deepEqual(await buffer.read(), values.map(Math.f16round));
  const bits = Uint16Array.of(1, 0x8000, 0x3c01, 0x7bff, 0xfc00, 0x03ff, 0x0400, 2, 3);
  buffer.write(new Float16Array(bits.buffer));
  assert.deepEqual(await buffer.read(), Float32Array.from(bits, meaning));
  assert.throws(() => buffer.write(new Int32Array(9)), /h holds f16, not Int32Array/);
  assert.throws(() => buffer.write(new Float32Array(10)), /10 elements at 0 do not fit 9/);
  const part = new Float32Array(7);
  assert.throws(() => buffer.write(part), /h: 7 of 9 elements; f16 is written whole/);
  const single = device.createBuffer("s", "f32", 9);
  assert.throws(() => single.write(new Float16Array(9)), /s holds f32, not Float16Array/);
  buffer.destroy();
  single.destroy();
  assert.equal(device.allocatedBytes, before);
});

/** Every kind of reader of a (5, 7) tensor in half precision. */
function readers(h: Tensor): Record<string, Tensor> {
  const x = input("x", [5, 7]);
  const heads = (t: Tensor): Tensor => reshape(t, [1, 5, 1, 7]);
  const fixed = constantTensor(Float16Array.from({ length: 7 }, (_, i) => i / 3), [7]);
  return {
    itself: h,
    part: slice(h, 1, 3, 3),
    turned: transpose(h),
    folded: reshape(transpose(slice(h, 0, 1, 3)), [3, 7]),
    sum: add(h, x),
    row: multiply(slice(h, 0, 3, 1), x),
    constant: add(x, fixed),
    spread: square(broadcastTo(reshape(h, [5, 1, 7]), [5, 2, 7])),
    total: reduceSum(h, [0]),
    beside: concatenate([x, slice(h, 1, 1, 5)], 1),
    padded: pad(h, 0, 1, 8),
    rows: gather(h, input("indices", [3], "i32")),
    normed: layerNorm(h, 1e-6),
    mixed: attention(heads(x), heads(h), heads(h)),
    right: matmul(transpose(x), h),
    rightPart: linear(slice(x, 1, 1, 5), slice(h, 1, 2, 5), reshape(slice(h, 1, 6, 1), [5])),
    left: matmul(h, transpose(x)),
    batched: matmul(reshape(x, [5, 1, 7]), reshape(h, [5, 7, 1])),
    gradient: gradients(mean(square(linear(x, h))), [x])[0],
  };
}

const contents = new Map<string, Float32Array | Int32Array>([
  ["x", Float32Array.from({ length: 35 }, (_, i) => Math.cos(3 * i))],
  ["indices", Int32Array.of(4, 0, 2)],
]);
const half = new Map([["h", Float16Array.from({ length: 35 }, (_, i) => Math.sin(5 * i))]]);

eachDevice("every operation reads half precision as if it were single", async (device) => {
  const single = readers(state("h", [5, 7]));
  for (const [name, tensor] of Object.entries(readers(state("h", [5, 7], "f16")))) {
    const compiled = program({ out: tensor });
    const has = (buffer: string): boolean => compiled.buffers.some(({ name }) => name === buffer);
    const inputs = new Map([...contents].filter(([buffer]) => has(buffer)));
    const states = new Map([...half].filter(([buffer]) => has(buffer)));
    const expected = interpret(program({ out: single[name] }), inputs, states).get("out")!;
    const executable = await device.load(compiled);
    for (const [buffer, data] of [...inputs, ...states]) executable.buffer(buffer).write(data);
    executable.run();
    const found = await executable.buffer("out").read();
    const largest = Math.max(...expected.map(Math.abs));
    expected.forEach((value, i) => {
      assert(Math.abs(found[i] - value) <= 2e-6 * largest, `${name}[${i}]: ${found[i]}, ${value}`);
    });
    executable.destroy();
  }
});

eachDevice("rows too long to be widened whole are multiplied too", async (device) => {
  const k = 180_000;
  const product = program({ out: linear(input("x", [2, k]), state("h", [7, k], "f16")) });
  const x = Float32Array.from({ length: 2 * k }, (_, i) => Math.cos(3 * i));
  const h = Float16Array.from({ length: 7 * k }, (_, i) => Math.sin(5 * i));
  const expected = interpret(product, new Map([["x", x]]), new Map([["h", h]])).get("out")!;
  const executable = await device.load(product);
  executable.buffer("x").write(x);
  executable.buffer("h").write(h);
  executable.run();
  const found = await executable.buffer("out").read();
  // A sum of k terms of random sign, each at most 1, and its roundings.
  const allowed = 2 ** -24 * k;
  expected.forEach((value, i) => assert(Math.abs(found[i] - value) <= allowed, `${found[i]}`));
});

const widenings = ({ steps }: Program): number =>
  steps.filter(({ kind }) => kind === "widen").length;

Deno.test("a tensor is widened once, and not at all for the right factor of a product", () => {
  const all = program(readers(state("h", [5, 7], "f16")));
  assert.equal(widenings(all), 2, "h and the constant");
  const h = state("h", [5, 7], "f16");
  const product = program({ out: linear(input("x", [3, 7]), h, input("bias", [5])) });
  assert.deepEqual(product.steps.map(({ kind }) => kind), ["matmul"]);
  assert.deepEqual(product.buffers.filter(({ kind }) => kind === "temporary"), []);
});

Deno.test("outputs and results are in single precision", () => {
  const { buffers } = program(readers(state("h", [5, 7], "f16")));
  for (const { name, kind, dtype } of buffers) {
    if (dtype === "f16") assert(kind === "state" || kind === "constant", name);
  }
});

Deno.test("states in half precision are not updated", () => {
  const h = state("h", [3], "f16");
  const x = input("x", [3]);
  for (const value of [x, h, state("other", [3], "f16")]) {
    assert.throws(
      () => makeGraph("wrong", { updates: [{ state: h, value }] }),
      /f(?:16|32) \(3\) cannot update a state of f16 \(3\)/,
    );
  }
  const [firstMoment, secondMoment] = [state("m", [3]), state("v", [3])];
  const schedule = input("schedule", [adamwSchedule.length]);
  const gradientScale = input("scale", []);
  assert.throws(
    () => adamw({ parameter: h, gradient: x, firstMoment, secondMoment, schedule, gradientScale }),
    /adamw: states must be f32/,
  );
  const s = state("s", [3]);
  const copied = compile(makeGraph("copy", { updates: [{ state: s, value: h }] }));
  const results = interpret(copied, new Map(), new Map([["h", [1, 2, 3]]]));
  assert.deepEqual([...results.get("s")!], [1, 2, 3]);
});
