import assert from "node:assert/strict";
import { join } from "@std/path";
import { StepProfile } from "../../../cli/terminal/profiling.ts";
import type { Device } from "../../../kernels/device.ts";
import { runTessera } from "../support.ts";

/** Names of the complete events of a trace. */
async function eventNames(path: string): Promise<Set<string>> {
  const { traceEvents } = JSON.parse(await Deno.readTextFile(path));
  const complete = traceEvents.filter(({ ph }: { ph: string }) => ph === "X");
  return new Set(complete.map(({ name }: { name: string }) => name));
}

Deno.test("train --profile writes a trace of twenty steps, with the task's permissions", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "trace.json");
    const model = ["--patch=7", "--hidden=16", "--heads=2", "--depth=1", "--batch-size=4"];
    const { code, err } = await runTessera([
      ...["train", "dit", ...model, "--steps=30", "--results-dir", folder],
      ...["--device=wasm", "--threads=2", "--profile", path],
    ]);
    assert.equal(code, 0, err);
    assert.match(err, /^train: profile of 20 runs, 2 threads; /m);
    assert.match(err, /^matmul +\d+ /m);
    assert.match(err, /^wrote .*trace\.json; /m);
    const names = await eventNames(path);
    for (const name of ["training step", "matmul", "attention", "adamw", "waiting"]) {
      assert.ok(names.has(name), `${name} in ${[...names]}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("bench --profile records every row; JSON on stdout stays whole", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "trace.json");
    const { code, out, err } = await runTessera([
      ...["bench", "product", "--size=32,64", "--device=wasm", "--threads=1", "-r", "2"],
      ...["--json", "--profile", path],
    ]);
    assert.equal(code, 0, err);
    assert.equal(JSON.parse(out).rows.length, 2);
    assert.equal(err.match(/: profile of 2 runs, 1 thread;/g)?.length, 2);
    assert.ok((await eventNames(path)).has("matmul"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a device that cannot be profiled is refused before the first step", () => {
  const device = { kind: { name: "webgpu" } } as unknown as Device;
  assert.throws(() => new StepProfile(device, 30), /--profile: this webgpu device does not tell/);
});
