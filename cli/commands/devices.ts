/**
 * What `tessera info devices` reports: everything that can compute on this machine.
 *
 * @module
 */
import type { DeviceReport } from "../../kernels/device.ts";
import { deviceKind, deviceNames } from "../../kernels/devices.ts";

/** Reports by the names of the devices, the one to look for first at the beginning. */
export async function findDevices(): Promise<Map<string, DeviceReport>> {
  const reports = deviceNames.map(async (name) =>
    [name, await (await deviceKind(name)).report()] as const
  );
  return new Map(await Promise.all(reports));
}

/** The reports as people read them. */
export function describeDevices(reports: ReadonlyMap<string, DeviceReport>): string {
  const lines = [...reports].flatMap(([name, { devices }]) =>
    devices.map((described) => `${name.padEnd(6)}  ${described.join(indented)}`)
  );
  return lines.join("\n");
}

const indented = `\n${" ".repeat(8)}`;

/** The reports as JSON values. */
export function deviceFacts(reports: ReadonlyMap<string, DeviceReport>): Record<string, unknown> {
  return Object.fromEntries([...reports].map(([name, { facts }]) => [name, facts]));
}
