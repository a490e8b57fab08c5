/**
 * `tessera info`: what this machine offers.
 *
 * @module
 */
import { Command } from "commander";
import { define } from "./flags.ts";
import type { Io } from "./io.ts";
import { jsonFlags } from "./options.ts";
import { describeVersions, versions } from "./version.ts";

/** Builds `tessera info`. */
export function command(io: Io): Command {
  return new Command("info")
    .description("Show what this machine offers.")
    .addCommand(devicesCommand(io))
    .addCommand(versionCommand(io));
}

function versionCommand(io: Io): Command {
  return define({
    name: "version",
    summary: "versions of Tessera, Deno, V8 and TypeScript",
    flags: jsonFlags,
    examples: [["tessera info version --json", "for bug reports and benchmark tables"]],
    run: ({ values }) => {
      io.out(values.json ? JSON.stringify(versions(), null, 2) : describeVersions(versions()));
    },
  });
}

function devicesCommand(io: Io): Command {
  return define({
    name: "devices",
    summary: "WebGPU adapters with limits and features, and the CPU",
    flags: jsonFlags,
    examples: [
      ["tessera info devices", "which GPU would be used, and what WebAssembly can do here"],
      ["tessera info devices --json", "the same with every limit of every adapter"],
    ],
    run: async ({ values }) => {
      const { describeDevices, findDevices } = await import("./devices.ts");
      const devices = await findDevices();
      io.out(values.json ? JSON.stringify(devices, null, 2) : describeDevices(devices));
    },
  });
}
