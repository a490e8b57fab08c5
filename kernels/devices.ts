/**
 * The table of devices, in the order in which they are looked for. A device is a folder with
 * `kind.ts` (what is known before one is open) and `device.ts` (the device), and a name and an entry
 * here.
 *
 * The command line reads the names when it starts, so everything else is loaded on use.
 *
 * @module
 */
import type { Device, DeviceKind, DeviceOptions } from "./device.ts";

/** The names of all devices. */
export type DeviceName = "webgpu" | "wasm";

/** How a kind of device is reached. */
interface DeviceEntry {
  kind(): Promise<DeviceKind>;
  open(options: DeviceOptions): Promise<Device>;
}

const table: Readonly<Record<DeviceName, DeviceEntry>> = {
  webgpu: {
    kind: async () => (await import("./webgpu/kind.ts")).webgpu,
    open: async (options) => (await import("./webgpu/device.ts")).createWebGPUDevice(options),
  },
  wasm: {
    kind: async () => (await import("./wasm/kind.ts")).wasm,
    open: async (options) => (await import("./wasm/device.ts")).createWasmDevice(options),
  },
};

/** All devices, the one to look for first at the beginning. */
export const deviceNames = Object.keys(table) as readonly DeviceName[];

/** The device that every machine has. */
export const everywhere: DeviceName = "wasm";

/** What is known of a device without opening it. */
export function deviceKind(name: DeviceName): Promise<DeviceKind> {
  return table[name].kind();
}

/**
 * Opens a device.
 *
 * @throws NoAdapterError when it is a GPU and none is found
 */
export function openDevice(name: DeviceName, options: DeviceOptions = {}): Promise<Device> {
  return table[name].open(options);
}
