/**
 * Runs a test body on every device of the table that the machine has, those with threads with one and
 * two of them, relaxed and strict.
 *
 * Without a WebGPU adapter the WebGPU test is reported as ignored and one line says why; with
 * `TESSERA_REQUIRE_WEBGPU=1` in the environment it fails instead.
 *
 * @module
 */
import type { Device } from "../kernels/device.ts";
import { deviceKind, type DeviceName, deviceNames, openDevice } from "../kernels/devices.ts";

/** A way to make a device, by a name for test titles. */
export interface DeviceChoice {
  readonly name: string;
  /** False when the machine lacks the device and the test is to be ignored. */
  readonly available: boolean;
  create(): Promise<Device>;
}

const requireWebGPU = Deno.env.get("TESSERA_REQUIRE_WEBGPU") === "1";

/** Whether tests run on a device; says so where they do not. */
async function isAvailable(name: DeviceName): Promise<boolean> {
  const { available, reason } = await (await deviceKind(name)).probe();
  if (available || (name === "webgpu" && requireWebGPU)) return true;
  console.log(
    `The ${name} tests of this file are not run: ${reason} ` +
      "(TESSERA_REQUIRE_WEBGPU=1 makes a missing adapter a failure).",
  );
  return false;
}

/** The ways in which tests use a device. */
async function choicesOf(name: DeviceName): Promise<DeviceChoice[]> {
  const available = await isAvailable(name);
  const { threads } = await deviceKind(name);
  if (!threads) return [{ name, available, create: () => openDevice(name) }];
  return [1, 2].flatMap((threads) =>
    [false, true].map((strictMath) => ({
      name: `${name}, ${threads} thread${threads > 1 ? "s" : ""}${strictMath ? ", strict" : ""}`,
      available,
      create: () => openDevice(name, { threads, strictMath }),
    }))
  );
}

/** All devices tests run on. */
export const deviceChoices: readonly DeviceChoice[] =
  (await Promise.all([...deviceNames].reverse().map(choicesOf))).flat();

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
