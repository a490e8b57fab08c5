/**
 * Choosing a device: a hardware GPU where there is one, otherwise the CPU.
 *
 * @module
 */
import { InputError } from "../base/errors.ts";
import { describeVectors, type Device, type DeviceKind, type DeviceOptions } from "./device.ts";
import { deviceKind, type DeviceName, deviceNames, openDevice } from "./devices.ts";

/** What the user asked for. */
export interface DeviceRequest extends DeviceOptions {
  /** `auto` leaves the choice to {@link selectDevice}. */
  readonly device: "auto" | DeviceName;
}

/** A device and one sentence on why it was chosen. */
export interface ChosenDevice {
  /** Open: close it after use. */
  readonly device: Device;
  /** Clauses without a full stop, such as `a hardware GPU was found`; with the width of vectors. */
  readonly reason: string;
}

/** Which device a request leads to on this machine. */
export interface DeviceChoice {
  /** In the table of devices. */
  readonly name: DeviceName;
  /** What is known of it. */
  readonly kind: DeviceKind;
  /** A clause without a full stop, such as `a hardware GPU was found`. */
  readonly reason: string;
}

/**
 * Decides which device to use. `auto` means the first of the table that is available and computes in
 * hardware: WebGPU on a hardware adapter and otherwise WebAssembly, which is faster than a GPU
 * emulated on the CPU.
 *
 * @throws InputError when activations are to be in half precision, which the device cannot keep
 */
export async function chooseDevice(request: DeviceRequest): Promise<DeviceChoice> {
  const choice = await chooseByName(request.device);
  if (request.activations !== "f16" || await choice.kind.keepsHalves()) return choice;
  throw new InputError(
    `activations in f16: the ${choice.name} device (${choice.reason}) keeps f32 only; ` +
      "f16 needs --device webgpu and an adapter with shader-f16",
  );
}

async function chooseByName(device: DeviceRequest["device"]): Promise<DeviceChoice> {
  if (device !== "auto") {
    return { name: device, kind: await deviceKind(device), reason: "asked for" };
  }
  const passedOver: string[] = [];
  for (const name of deviceNames) {
    const kind = await deviceKind(name);
    const { available, software, reason } = await kind.probe();
    if (available && !software) return { name, kind, reason: passedOver.join("; ") || reason };
    passedOver.push(reason);
  }
  throw new Error(`no device: ${passedOver.join("; ")}`);
}

/**
 * Makes the device that was asked for; see {@link chooseDevice} for `auto`.
 *
 * @throws NoAdapterError when WebGPU was asked for and no adapter is found
 * @throws InputError when activations are to be in half precision, which the device cannot keep
 */
export async function selectDevice(request: DeviceRequest): Promise<ChosenDevice> {
  const { name, reason } = await chooseDevice(request);
  const device = await openDevice(name, request);
  return {
    device,
    reason: device.vectors ? `${reason}; ${describeVectors(device.vectors)}` : reason,
  };
}
