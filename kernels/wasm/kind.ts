/**
 * What is known of the CPU device before it is open.
 *
 * @module
 */
import type { DeviceKind } from "../device.ts";
import { packedElements, packedWeights } from "../ops/matmul/weights.ts";
import { addressableBytes, scratchBytes } from "./memory.ts";

/** WebAssembly on the threads of the processor. */
export const wasm: DeviceKind = {
  name: "wasm",
  warmUpRuns: 3,
  sampleMilliseconds: 5,
  allocationUnit: 4,
  threads: { scratchBytes },
  temporaries: (program) => [
    program.arenaBytes,
    ...packedWeights(program).values().map((weight) => 4 * packedElements(weight)),
  ],
  probe: () =>
    Promise.resolve({ available: true, software: false, reason: "every machine has it" }),
  keepsHalves: () => Promise.resolve(false),
  limits: () =>
    Promise.resolve({ total: addressableBytes, buffer: addressableBytes, owner: "wasm" }),
  report: async () => (await import("./report.ts")).report(),
};
