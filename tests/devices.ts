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
  /** Whether its mathematics is held to IEEE 754. */
  readonly strict: boolean;
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
  if (!threads) return [{ name, strict: false, available, create: () => openDevice(name) }];
  return [1, 2].flatMap((threads) =>
    [false, true].map((strict) => ({
      name: `${name}, ${threads} thread${threads > 1 ? "s" : ""}${strict ? ", strict" : ""}`,
      strict,
      available,
      create: () => openDevice(name, { threads, strictMath: strict }),
    }))
  );
}

/** All devices tests run on. */
export const deviceChoices: readonly DeviceChoice[] =
  (await Promise.all([...deviceNames].reverse().map(choicesOf))).flat();

/** The body of a test. */
export type DeviceTest = (device: Device, choice: DeviceChoice) => Promise<void>;

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
  body: DeviceTest,
  choices: readonly DeviceChoice[] = deviceChoices,
): void {
  for (const choice of choices) {
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

/** The same without strict mathematics, for tests of what is around the kernels. */
export function eachDefaultDevice(name: string, body: DeviceTest): void {
  eachDevice(name, body, deviceChoices.filter(({ strict }) => !strict));
}

/**
 * Bytes that kernels of small models may ask for beside what is planned, by device: small tables and
 * scratch on WebGPU. How much hangs on the variant of a product that was fastest when it was measured.
 */
export const kernelScratch: Readonly<Record<string, number>> = { wasm: 0, webgpu: 192 * 1024 };
