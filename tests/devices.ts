/**
 * Runs a test body on every device the machine has: WebAssembly with one and two threads, relaxed
 * and strict, and WebGPU.
 *
 * Without a WebGPU adapter the WebGPU test is reported as ignored and one line says why; with
 * `TESSERA_REQUIRE_WEBGPU=1` in the environment it fails instead.
 *
 * @module
 */
import type { Device } from "../kernels/device.ts";
import { createWasmDevice } from "../kernels/wasm/device.ts";
import { createWebGPUDevice } from "../kernels/webgpu/device.ts";

/** A way to make a device, by a name for test titles. */
export interface DeviceChoice {
  readonly name: string;
  /** False when the machine lacks the device and the test is to be ignored. */
  readonly available: boolean;
  create(): Promise<Device>;
}

async function hasAdapter(): Promise<boolean> {
  const adapter = await navigator.gpu?.requestAdapter();
  return adapter !== null && adapter !== undefined;
}

const requireWebGPU = Deno.env.get("TESSERA_REQUIRE_WEBGPU") === "1";
const webgpuAvailable = requireWebGPU || await hasAdapter();
if (!webgpuAvailable) {
  console.log(
    "No WebGPU adapter: the WebGPU tests of this file are not run " +
      "(TESSERA_REQUIRE_WEBGPU=1 makes this a failure).",
  );
}

const wasmChoices: DeviceChoice[] = [1, 2].flatMap((threads) =>
  [false, true].map((strictMath) => ({
    name: `wasm, ${threads} thread${threads > 1 ? "s" : ""}${strictMath ? ", strict" : ""}`,
    available: true,
    create: () => createWasmDevice({ threads, strictMath }),
  }))
);

/** All devices tests run on. */
export const deviceChoices: readonly DeviceChoice[] = [
  ...wasmChoices,
  { name: "webgpu", available: webgpuAvailable, create: () => createWebGPUDevice() },
];

/**
 * Registers one test a device. The device is made for the test and closed after it.
 *
 * @example
 * ```ts
 * eachDevice("sum of squares", async (device) => {
 *   const executable = await device.load(program);
 *   ...
 * });
 * ```
 */
export function eachDevice(
  name: string,
  body: (device: Device, choice: DeviceChoice) => Promise<void>,
): void {
  for (const choice of deviceChoices) {
    Deno.test({
      name: `${name} [${choice.name}]`,
      ignore: !choice.available,
      async fn() {
        const device = await choice.create();
        try {
          await body(device, choice);
        } finally {
          device.close();
        }
      },
    });
  }
}
