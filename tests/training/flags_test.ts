/** With V8's flags for 256-bit vectors and without them the CPU device computes the same bits. */
import assert from "node:assert/strict";
import { fastFlags, safeFlags } from "../../tools/v8_flags.ts";
import { casesOf } from "../kernels/ops/cases.ts";

/** Hashes of results by what was computed. */
async function hashes(flags: string, lanes: 4 | 8): Promise<Record<string, string>> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", `--v8-flags=${flags}`, "--allow-all", "tests/training/bits.ts", `${lanes}`],
    env: { XDG_RUNTIME_DIR: "/tmp" },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test("steps, golden models and twenty training steps have the same bits with V8's flags and without", async () => {
  const fast = await hashes(fastFlags, 8);
  const safe = await hashes(safeFlags, 4);
  assert.deepEqual(fast, safe);
  const what = (name: string) => name.replace(/, \d threads$/, "");
  const results = new Map(Object.entries(fast).map(([name, hash]) => [what(name), hash]));
  // All kinds of step, five golden models and two runs.
  assert.equal(results.size, Object.keys(casesOf).length + 7);
  for (const [name, hash] of Object.entries(fast)) {
    assert.equal(hash, results.get(what(name)), name);
  }
});
