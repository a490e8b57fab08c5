import assert from "node:assert/strict";
import { describeDevices, findDevices } from "../../../cli/commands/devices.ts";
import { describeFeatures } from "../../../kernels/wasm/report.ts";
import { describeAdapter } from "../../../kernels/webgpu/report.ts";
import { runTessera } from "../support.ts";

Deno.test("info devices --json is one document with every limit", async () => {
  const { code, out, err } = await runTessera(["info", "devices", "--json"]);
  assert.equal(code, 0);
  assert.equal(err, "");
  const { webgpu, wasm } = JSON.parse(out);
  assert.equal(wasm.threads, navigator.hardwareConcurrency);
  assert.equal(wasm.simd, true);
  assert.equal(wasm.sharedMemory, true);
  assert([128, 256].includes(wasm.vectors.bits));
  assert.match(wasm.vectors.reason, /times the speed/);
  for (const { description, software, features, limits } of webgpu) {
    assert(description.length > 0);
    assert.equal(typeof software, "boolean");
    assert(Array.isArray(features));
    assert(limits.maxBufferSize >= 2 ** 28, "the specification's least");
  }
});

Deno.test("an adapter is reported where the tests require one", async () => {
  const { facts } = (await findDevices()).get("webgpu")!;
  const count = (facts as unknown[]).length;
  const adapter = await navigator.gpu.requestAdapter();
  assert.equal(count > 0, adapter !== null);
  if (Deno.env.get("TESSERA_REQUIRE_WEBGPU") === "1") assert(count > 0);
});

Deno.test("devices are described with their units", () => {
  const adapter = describeAdapter({
    description: "Test GPU",
    software: false,
    features: ["shader-f16"],
    limits: {
      maxBufferSize: 2 ** 31,
      maxStorageBufferBindingSize: 2 ** 27,
      maxComputeWorkgroupStorageSize: 2 ** 14,
      maxComputeInvocationsPerWorkgroup: 256,
      maxStorageBuffersPerShaderStage: 8,
    },
  });
  const processor = describeFeatures({
    threads: 8,
    simd: true,
    relaxedSimd: false,
    sharedMemory: true,
  });
  const reports = new Map([
    ["webgpu", { devices: [adapter], facts: [] }],
    ["wasm", { devices: [[processor]], facts: {} }],
  ]);
  assert.equal(
    describeDevices(reports),
    `webgpu  Test GPU (hardware)
        shader-f16, no timestamp-query, no subgroups
        largest buffer: 2 GiB
        largest binding: 128 MiB
        workgroup memory: 16 KiB
        invocations a workgroup: 256
        storage buffers a kernel: 8
wasm    8 threads, SIMD, shared memory`,
  );
  const none = { threads: 1, simd: false, relaxedSimd: false, sharedMemory: false };
  assert.equal(describeFeatures(none), "1 threads, no SIMD, no shared memory");
});

Deno.test("info version --json holds the versions", async () => {
  const { code, out } = await runTessera(["info", "version", "--json"]);
  assert.equal(code, 0);
  const document = JSON.parse(out);
  assert.equal(document.deno, Deno.version.deno);
  assert.equal(document.v8, Deno.version.v8);
  assert.match(document.tessera, /^\d+\.\d+\.\d+$/);
});
