/**
 * The WebGPU device beyond its kernels: errors that name their cause, memory that is counted, and
 * grids larger than one dimension allows.
 *
 * @module
 */
import assert from "node:assert/strict";
import { binary, load } from "../../../kernels/expression.ts";
import type { BufferSpecification, Program, Step } from "../../../kernels/program.ts";
import { createWebGPUDevice, probeAdapter } from "../../../kernels/webgpu/device.ts";
import { ErrorWatch } from "../../../kernels/webgpu/errors.ts";
import { PipelineCache } from "../../../kernels/webgpu/pipelines.ts";
import { available, gpuTest } from "./cases.ts";

/** `sum = x + x` over `count` elements, by way of a temporary when `steps` is 2. */
function doubling(count: number, steps: 1 | 2 = 1): Program {
  const buffer = (name: string, kind: BufferSpecification["kind"]): BufferSpecification => ({
    ...{ name, kind, dtype: "f32", elements: count },
    ...(kind === "temporary" ? { slot: 0, arenaOffset: 0 } : {}),
  });
  const view = (index: number) =>
    ({ buffer: index, offset: 0, shape: [count], strides: [1], dtype: "f32" }) as const;
  const add = (input: number, output: number): Step => ({
    kind: "elementwise",
    inputs: [view(input), view(input)],
    expression: binary("add", load(0), load(1)),
    output: view(output),
  });
  return {
    name: "doubling",
    buffers: [buffer("x", "input"), buffer("t", "temporary"), buffer("sum", "output")],
    steps: steps === 1 ? [add(0, 2)] : [add(0, 1), add(1, 2)],
    arenaBytes: 4 * count,
    slots: [4 * count],
  };
}

Deno.test({
  name: "probing describes the adapter",
  ignore: !available,
  async fn() {
    const adapter = await probeAdapter();
    assert.ok(adapter && adapter.description.length > 0);
    assert.ok(adapter.limits.maxStorageBuffersPerShaderStage >= 8);
    if (/llvmpipe/.test(adapter.description)) assert.equal(adapter.software, true);
    console.log(`adapter: ${adapter.description}, software: ${adapter.software}`);
  },
});

gpuTest("a thousand runs allocate nothing and repeat bit for bit", {}, async (device) => {
  const executable = await device.load(doubling(17, 2));
  const x = Float32Array.from({ length: 17 }, (_, i) => i / 3);
  executable.buffer("x").write(x);
  executable.run();
  const first = await executable.buffer("sum").read();
  const before = device.allocatedBytes;
  // Three tensors of 68 bytes, each rounded to 80.
  assert.equal(before, 240);
  for (let i = 0; i < 1000; i++) executable.run();
  await device.finish();
  assert.equal(device.allocatedBytes, before);
  assert.equal(device.peakBytes, before);
  assert.deepEqual(await executable.buffer("sum").read(), first);
  assert.deepEqual(first, x.map((v) => 4 * v));
  executable.destroy();
  assert.equal(device.allocatedBytes, 0);
  assert.throws(() => executable.run(), /"doubling" was destroyed/);
});

gpuTest("a state that was handed in outlives the executable", {}, async (device) => {
  const x = device.createBuffer("x", "f32", 5);
  x.write(Float32Array.of(1, 2, 3), 1);
  const executable = await device.load(doubling(5), new Map([["x", x]]));
  executable.run();
  assert.deepEqual([...await executable.buffer("sum").read()], [0, 2, 4, 6, 0]);
  executable.destroy();
  assert.deepEqual([...await x.read()], [0, 1, 2, 3, 0]);
  const again = await device.load(doubling(5), new Map([["x", x]]));
  x.destroy();
  assert.throws(() => again.run(), /tensor "x" was destroyed/);
  again.destroy();
});

gpuTest("bindings that do not fit are refused by name", {}, async (device) => {
  const small = device.createBuffer("small", "f32", 4);
  const labels = device.createBuffer("labels", "i32", 5);
  const load = (name: string, buffer: typeof small) =>
    device.load(doubling(5), new Map([[name, buffer]]));
  await assert.rejects(load("x", small), /tensor "x" needs 5 elements of f32/);
  await assert.rejects(load("x", labels), /5 of i32/);
  // A map may hold more than the program uses.
  (await load("y", small)).destroy();
  assert.throws(() => small.write(new Int32Array(2)), /holds f32, not Int32Array/);
  assert.throws(() => small.write(new Float32Array(3), 2), /3 elements at 2 do not fit 4/);
  assert.throws(() => device.createBuffer("none", "f32", 0), /"none": 0 is not a number/);
});

gpuTest("a tensor beyond the limits is refused before anything is allocated", {
  specFloor: true,
}, async (device) => {
  const elements = device.gpu.limits.maxStorageBufferBindingSize / 4 + 1;
  assert.throws(
    () => device.createBuffer("latents", "f32", elements),
    /tensor "latents": 134217744 bytes are more than the 134217728 bytes .* \(maxStorage/,
  );
  await assert.rejects(device.load(doubling(elements)), /temporaries 0 of "doubling".*more than/);
  assert.equal(device.allocatedBytes, 0);
  // Refusals are not failures of the device.
  device.createBuffer("fits", "f32", 4).destroy();
});

gpuTest("more than 65,535 workgroups are laid out in two dimensions", {}, async (device) => {
  const count = 64 * 65_535 + 1027;
  const executable = await device.load(doubling(count));
  const x = Float32Array.from({ length: count }, (_, i) => i % 1013);
  executable.buffer("x").write(x);
  executable.run();
  const sum = await executable.buffer("sum").read();
  assert.equal(x.findIndex((v, i) => sum[i] !== 2 * v), -1);
  executable.destroy();
});

gpuTest(
  "a step with more operands than bindings is refused",
  { specFloor: true },
  async (device) => {
    const views = Array.from({ length: 9 }, (_, buffer) => ({
      ...{ buffer, offset: 0, shape: [4], strides: [1], dtype: "f32" as const },
    }));
    const expression = views.slice(1, 8).reduce(
      (e, _, i) => binary("add", e, load(i + 1)),
      load(0),
    );
    const program: Program = {
      name: "wide",
      buffers: views.map(({ buffer }) => ({
        ...{ name: `v${buffer}`, kind: "state", dtype: "f32", elements: 4 },
      })),
      steps: [{ kind: "elementwise", inputs: views.slice(0, 8), expression, output: views[8] }],
      arenaBytes: 0,
      slots: [],
    };
    await assert.rejects(device.load(program), /9 storage buffers; the device allows 8/);
    assert.equal(device.allocatedBytes, 0);
  },
);

gpuTest("bad shader text is an error that names the kernel, for good", {}, async (device) => {
  const watch = new ErrorWatch(device.gpu);
  const pipelines = new PipelineCache(device.gpu, watch);
  const dispatch = {
    label: "broken (3, 4)",
    code: "@compute @workgroup_size(1) fn main() { let x = undeclared; }",
    bindings: [],
    workgroups: [1, 1, 1],
  } as const;
  await assert.rejects(
    async () => {
      await pipelines.pipeline(dispatch);
      await watch.settle();
    },
    /kernel "broken \(3, 4\)".*undeclared/s,
  );
  assert.throws(() => watch.check(), /kernel "broken/);
});

gpuTest("a lost device ends waiting and refuses work with one message", {}, async (device) => {
  const executable = await device.load(doubling(8));
  executable.run();
  device.gpu.destroy();
  const lost = /WebGPU device was lost/;
  await assert.rejects(executable.buffer("sum").read(), lost);
  await assert.rejects(device.finish(), lost);
  await assert.rejects(device.load(doubling(9)), lost);
  assert.throws(() => executable.run(), lost);
  assert.throws(() => executable.buffer("x").write(new Float32Array(8)), lost);
});

Deno.test({
  name: "a closed device says so",
  ignore: !available,
  async fn() {
    const device = await createWebGPUDevice();
    const x = device.createBuffer("x", "f32", 4);
    device.close();
    assert.equal(device.allocatedBytes, 0);
    assert.throws(() => x.write(new Float32Array(4)), /was closed/);
    await assert.rejects(device.finish(), /was closed/);
  },
});
