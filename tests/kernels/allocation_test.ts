/** What a loaded program allocates is what its plan says, and running it allocates nothing. */
import assert from "node:assert/strict";
import { compile } from "../../kernels/graph/compile.ts";
import type { Program } from "../../kernels/program.ts";
import { ditTrainingGraph } from "../../models/dit/step.ts";
import { eachDevice, kernelScratch } from "../devices.ts";
import { loadConfig } from "../golden.ts";

/** Bytes of a program: its buffers (WebGPU rounds them up to 16 bytes) and its temporaries. */
function plannedBytes(program: Program, kind: string): number {
  const alignment = kind === "wasm" ? 4 : 16;
  const round = (bytes: number) => Math.ceil(bytes / alignment) * alignment;
  const named = program.buffers.filter((buffer) => buffer.kind !== "temporary");
  const persistent = named.reduce((sum, { elements }) => sum + round(4 * elements), 0);
  const temporaries = kind === "wasm"
    ? program.arenaBytes
    : program.slots.reduce((sum, bytes) => sum + round(bytes), 0);
  return persistent + temporaries;
}

eachDevice("a training step allocates its plan once, and 20 steps nothing more", async (device) => {
  const config = await loadConfig("dit-rgb-plain");
  const settings = { batchSize: 2, labelDropout: 0.1, clipNorm: 1 };
  const program = compile(ditTrainingGraph(config, settings));
  const { name } = device.kind;
  const before = device.allocatedBytes;
  const executable = await device.load(program);
  const loaded = device.allocatedBytes;
  const excess = loaded - before - plannedBytes(program, name);
  assert(excess >= 0 && excess <= kernelScratch[name], `${excess} bytes more than planned`);
  for (let step = 0; step < 20; step++) executable.run();
  await device.finish();
  assert.equal(device.allocatedBytes, loaded);
  executable.destroy();
  assert.equal(device.allocatedBytes, before);
});
