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
 */
export async function chooseDevice({ device }: DeviceRequest): Promise<DeviceChoice> {
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
 * @throws InputError when activations are to be in half precision, which the device does not write
 */
export async function selectDevice(request: DeviceRequest): Promise<ChosenDevice> {
  const { name, reason } = await chooseDevice(request);
  const device = await openDevice(name, request);
  const { activations = "f32" } = device;
  if (activations !== (request.activations ?? activations)) {
    device.close();
    throw new InputError(
      `activations in ${request.activations}: the ${name} device (${reason}) keeps ${activations} ` +
        "only; take --device webgpu, where the adapter offers shader-f16",
    );
  }
  return {
    device,
    reason: device.vectors ? `${reason}; ${describeVectors(device.vectors)}` : reason,
  };
}
