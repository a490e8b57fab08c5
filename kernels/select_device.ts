/**
 * Choosing a device: a hardware GPU where there is one, otherwise the CPU.
 *
 * @module
 */
import { InputError } from "../base/errors.ts";
import type { Device } from "./device.ts";

/** What the user asked for. */
export interface DeviceRequest {
  /** `auto` leaves the choice to {@link selectDevice}. */
  readonly device: "auto" | "webgpu" | "wasm";
  /** Threads of the wasm device; one a core by default. */
  readonly threads?: number;
  /** No relaxed multiply-add on wasm: the same bits on every processor. */
  readonly strictMath?: boolean;
  /** The same bits for a sample on wasm whatever the size of its batch. */
  readonly batchInvariant?: boolean;
}

/** A device and one sentence on why it was chosen. */
export interface ChosenDevice {
  /** Open: close it after use. */
  readonly device: Device;
  /** A clause without a full stop, such as `a hardware GPU was found`. */
  readonly reason: string;
}

/** WebGPU was asked for and there is no adapter. */
export class NoAdapterError extends InputError {}

/** Which device a request leads to on this machine. */
export interface DeviceKind {
  /** The implementation. */
  readonly kind: "webgpu" | "wasm";
  /** A clause without a full stop, such as `a hardware GPU was found`. */
  readonly reason: string;
}

/**
 * Decides which device to use. `auto` means WebGPU on a hardware adapter and otherwise WebAssembly,
 * which is faster than a GPU emulated on the CPU.
 */
export async function chooseDevice({ device }: DeviceRequest): Promise<DeviceKind> {
  if (device !== "auto") return { kind: device, reason: "asked for" };
  const { probeAdapter } = await import("./webgpu/adapter.ts");
  const adapter = await probeAdapter();
  if (adapter && !adapter.software) return { kind: "webgpu", reason: "a hardware GPU was found" };
  const reason = adapter
    ? "the only WebGPU adapter is a software renderer, which is slower"
    : "there is no WebGPU adapter";
  return { kind: "wasm", reason };
}

/**
 * Makes the device that was asked for; see {@link chooseDevice} for `auto`.
 *
 * @throws NoAdapterError when WebGPU was asked for and no adapter is found
 */
export async function selectDevice(request: DeviceRequest): Promise<ChosenDevice> {
  const { kind, reason } = await chooseDevice(request);
  if (kind === "wasm") return { device: await wasm(request), reason };
  const { createWebGPUDevice } = await import("./webgpu/device.ts");
  const { probeAdapter } = await import("./webgpu/adapter.ts");
  if (!await probeAdapter()) {
    throw new NoAdapterError(
      "no WebGPU adapter found; install a Vulkan driver (Debian: mesa-vulkan-drivers) " +
        "or use --device wasm",
    );
  }
  return { device: await createWebGPUDevice(), reason };
}

async function wasm({ threads, strictMath, batchInvariant }: DeviceRequest): Promise<Device> {
  const { createWasmDevice } = await import("./wasm/device.ts");
  return await createWasmDevice({ threads, strictMath, batchInvariant });
}
