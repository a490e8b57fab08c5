/**
 * How much memory a device has to offer, told without opening it.
 *
 * @module
 */
import { addressableBytes } from "./wasm/memory.ts";

/** What a program's memory must stay within, in bytes. */
export interface MemoryLimits {
  /** All allocations together; absent where the device does not say. */
  readonly total?: number;
  /** One allocation. */
  readonly buffer: number;
  /** Whose limits these are. */
  readonly owner: string;
}

/** Guaranteed by every WebGPU implementation: the smaller of buffer size and binding size. */
const guaranteedBinding = 128 * 2 ** 20;

/** The limits of a kind of device on this machine. */
export async function memoryLimits(kind: "webgpu" | "wasm"): Promise<MemoryLimits> {
  if (kind === "wasm") {
    return { total: addressableBytes, buffer: addressableBytes, owner: "wasm" };
  }
  const { probeAdapter } = await import("./webgpu/adapter.ts");
  const adapter = await probeAdapter();
  if (!adapter) return { buffer: guaranteedBinding, owner: "every WebGPU device (none is here)" };
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  return {
    buffer: Math.min(maxBufferSize, maxStorageBufferBindingSize),
    owner: adapter.description,
  };
}
