/**
 * Tests of activations in half precision, which only adapters with the feature shader-f16 have. Without
 * it they are reported as ignored and one line says why.
 *
 * @module
 */
import { probeAdapter } from "../kernels/webgpu/adapter.ts";
import {
  createWebGPUDevice,
  type WebGPUDevice,
  type WebGPUOptions,
} from "../kernels/webgpu/device.ts";

const adapter = await probeAdapter();

/** Whether the machine has such an adapter. */
export const keepsHalves: boolean = adapter?.features.includes("shader-f16") === true;
if (!keepsHalves) {
  console.log(
    "The tests of activations in half precision are not run: " +
      (adapter ? `${adapter.description} lacks the feature shader-f16.` : "there is no adapter."),
  );
}

/** Registers a test on a device of its own that keeps activations in half precision. */
export function halfActivationsTest(
  name: string,
  body: (device: WebGPUDevice) => Promise<void>,
  options: WebGPUOptions = {},
): void {
  Deno.test({
    name,
    ignore: !keepsHalves,
    async fn() {
      const device = await createWebGPUDevice({ ...options, activations: "f16" });
      try {
        await body(device);
      } finally {
        device.close();
      }
    },
  });
}
