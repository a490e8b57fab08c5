/**
 * What is known of WebGPU devices before one is open.
 *
 * @module
 */
import type { Availability, DeviceKind, MemoryLimits } from "../device.ts";
import { halfFeature, probeAdapter } from "./adapter.ts";
import { allocationUnit } from "./memory.ts";

/** Guaranteed by every WebGPU implementation: the smaller of buffer size and binding size. */
const guaranteedBinding = 128 * 2 ** 20;

/** The machine's GPU, or one that is emulated on the processor. */
export const webgpu: DeviceKind = {
  name: "webgpu",
  // One run has compiled everything, the second fills caches.
  warmUpRuns: 2,
  // Waiting costs about 11 ms in Deno, whatever was queued: a few percent of such a sample.
  sampleMilliseconds: 250,
  allocationUnit,
  temporaries: ({ slots }) => slots,
  probe,
  // Without an adapter there is nothing to refuse: opening the device says what is missing.
  keepsHalves: async () => (await probeAdapter())?.features.includes(halfFeature) ?? true,
  limits,
  report: async () => (await import("./report.ts")).report(),
};

async function probe(): Promise<Availability> {
  const adapter = await probeAdapter();
  if (!adapter) return { available: false, software: false, reason: "there is no WebGPU adapter" };
  const { software } = adapter;
  const reason = software
    ? "the only WebGPU adapter is a software renderer, which is slower"
    : "a hardware GPU was found";
  return { available: true, software, reason };
}

async function limits(): Promise<MemoryLimits> {
  const adapter = await probeAdapter();
  if (!adapter) return { buffer: guaranteedBinding, owner: "every WebGPU device (none is here)" };
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  return {
    buffer: Math.min(maxBufferSize, maxStorageBufferBindingSize),
    owner: adapter.description,
  };
}
