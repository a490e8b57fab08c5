/** Profiles: what is recorded adds up to the time that has passed. */
import assert from "node:assert/strict";
import { chromeTrace, describeProfile } from "../../bench/runner/profile.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { makeGraph } from "../../kernels/graph/graph.ts";
import { matmul } from "../../kernels/ops/matmul/op.ts";
import { layerNorm } from "../../kernels/ops/layer_norm/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import { timeByKind } from "../../kernels/profile.ts";
import { input } from "../../kernels/tensor.ts";
import { deviceChoices } from "../devices.ts";
import { createWebGPUDevice } from "../../kernels/webgpu/device.ts";
import { createWasmDevice } from "../../kernels/wasm/device.ts";

const size = 256;

/** A product, a layer norm, and a sum that is divided into chunks. */
function program() {
  const [x, y] = ["x", "y"].map((name) => input(name, [size, size]));
  const product = layerNorm(matmul(x, y), 1e-5);
  return compile(makeGraph("example", { outputs: { product, total: mean(product) } }));
}

for (const threads of [1, 2, 3]) {
  Deno.test(`a profile adds up to the time of its runs, ${threads} threads`, async () => {
    const device = await createWasmDevice({ threads });
    try {
      const before = device.allocatedBytes;
      const executable = await device.load(program());
      for (let run = 0; run < 3; run++) executable.run();
      const profiler = device.profile();
      assert.throws(() => device.profile(), /profiled already/);
      const runs = 20;
      let wall = 0;
      for (let run = 0; run < runs; run++) {
        const start = performance.now();
        executable.run();
        wall += performance.now() - start;
      }
      const profile = await profiler.stop();
      executable.run();
      executable.destroy();
      assert.equal(device.allocatedBytes, before);

      const { spans } = profile;
      assert.equal(profile.runs.length, runs);
      for (const { start, end, run, thread } of spans) {
        const { start: first, end: last } = profile.runs[run];
        // The origins of the clocks of threads may differ a little.
        assert.ok(start <= end + 5 && start >= first - 5 && end <= last + 5, `${run}`);
        assert.ok(thread < threads);
      }
      const kinds = timeByKind(profile);
      const total = kinds.reduce((time, { milliseconds }) => time + milliseconds, 0);
      // The wall clock also counts reading the marks after each run.
      assert.ok(total <= wall + 1 && total > 0.2 * wall, `${total} of ${wall} ms`);
      assert.ok(Math.abs(kinds.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-9);
      const products = kinds.find(({ kind }) => kind === "matmul")!;
      assert.equal(products.steps, runs);
      // Every thread works on the product, which is most of the work.
      for (let thread = 0; thread < threads; thread++) {
        const own = spans.filter((span) => span.thread === thread && span.step === 0);
        assert.equal(own.length, runs);
      }
      const busy = spans.filter(({ step }) => step === 0)
        .reduce((time, { start, end }) => time + end - start, 0);
      const flops = runs * 2 * size ** 3;
      const expected = flops / (busy / threads) / 1e6;
      assert.ok(Math.abs(products.gflopsPerSecond! / expected - 1) < 1e-6);
    } finally {
      device.close();
    }
  });
}

const gpu = deviceChoices.find(({ name }) => name === "webgpu")!;
Deno.test({
  name: "a GPU's profile has the time of every step",
  ignore: !gpu.available,
  async fn() {
    const device = await gpu.create();
    try {
      const executable = await device.load(program());
      executable.run();
      await device.finish();
      const start = performance.now();
      const profiler = device.profile!();
      executable.run();
      executable.run();
      const { runs, spans } = await profiler.stop();
      const wall = performance.now() - start;
      assert.deepEqual(runs.map(({ program }) => program.name), ["example", "example"]);
      assert.deepEqual(spans.map(({ run, step }) => [run, step]), [
        ...[[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]],
      ]);
      const kinds = timeByKind({ threads: 1, runs, spans });
      const total = kinds.reduce((time, { milliseconds }) => time + milliseconds, 0);
      assert.ok(total > 0 && total <= wall, `${total} of ${wall} ms`);
      executable.run();
      await device.finish();
    } finally {
      device.close();
    }
    // Only what the specification guarantees: no times.
    const plain = await createWebGPUDevice({ specFloor: true });
    plain.close();
    assert.equal(plain.profile, undefined);
  },
});

Deno.test("a profile is a table, and a trace that Chrome reads", async () => {
  const device = await createWasmDevice({ threads: 2 });
  try {
    const executable = await device.load(program());
    const profiler = device.profile();
    executable.run();
    executable.run();
    const profile = await profiler.stop();
    const table = describeProfile(profile);
    assert.match(table, /^profile of 2 runs, 2 threads; .*peak: \d+ GFLOP\/s\nkind +steps/);
    for (const kind of ["matmul", "layerNorm", "reduce", "waiting"]) {
      assert.match(table, new RegExp(`^${kind} `, "m"));
    }
    const { traceEvents } = JSON.parse(chromeTrace(new Map([["example", profile]])));
    const complete = traceEvents.filter(({ ph }: { ph: string }) => ph === "X");
    assert.equal(complete.length, profile.runs.length + profile.spans.length);
    const names = traceEvents.filter(({ ph }: { ph: string }) => ph === "M")
      .map(({ args }: { args: { name: string } }) => args.name);
    assert.deepEqual(names, ["example", "programs", "thread 0", "thread 1"]);
    for (const { ts, dur } of complete) assert.ok(ts >= -5000 && dur >= -5000);
  } finally {
    device.close();
  }
});
