/** Long runs need no more memory, and no more open files, than short ones. */
import assert from "node:assert/strict";
import { trainDiT } from "../../training/train_dit.ts";
import { eachDevice } from "../devices.ts";
import { smallDataset, smallPlan } from "./small_run.ts";

eachDevice("steps allocate nothing on the device", async (device) => {
  const steps = device.kind === "wasm" ? 300 : 60;
  const seen = new Set<number>();
  await trainDiT(device, smallDataset(), smallPlan({ steps, logEvery: 10 }), {
    ready: () => seen.add(device.allocatedBytes),
    step: () => seen.add(device.allocatedBytes),
  });
  assert.equal(seen.size, 1);
  assert.equal(device.peakBytes, device.allocatedBytes);
});

/** Counts open files, which a process may do only with all permissions. */
const program = `
import { smallDataset, smallPlan } from "./tests/training/small_run.ts";
import { trainDiT } from "./training/train_dit.ts";
import { createWasmDevice } from "./kernels/wasm/device.ts";
const device = await createWasmDevice({ threads: 1 });
const folder = await Deno.makeTempDir();
const openFiles = () => [...Deno.readDirSync("/proc/self/fd")].length;
const samples = [];
const plan = smallPlan({ folder, steps: 600, logEvery: 10, checkpointEvery: 30, keep: 2 });
await trainDiT(device, smallDataset(), plan, {
  step: (step) => step % 100 === 0 && samples.push([openFiles(), Deno.memoryUsage().rss]),
});
await Deno.remove(folder, { recursive: true });
console.log(JSON.stringify(samples));
Deno.exit();
`;

Deno.test({
  name: "600 steps and 20 checkpoints leave no file open and memory flat",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-all", "--ext=ts", "-"],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const stdin = child.stdin.getWriter();
    await stdin.write(new TextEncoder().encode(program));
    await stdin.close();
    const { code, stdout } = await child.output();
    assert.equal(code, 0);
    const samples: [files: number, memory: number][] = JSON.parse(new TextDecoder().decode(stdout));
    const files = samples.map(([count]) => count);
    console.log(`open files ${files.join()}; MiB ${samples.map(([, m]) => m >> 20).join()}`);
    // Deno itself opens a pair of sockets a second after its start.
    assert(files.every((count) => count - files[0] <= 2), files.join());
    const growth = samples.at(-1)![1] - samples[1][1];
    assert(growth < 40 * 2 ** 20, `resident memory grew by ${growth} bytes`);
  },
});
