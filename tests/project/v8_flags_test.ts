/** The tool starts V8 with its flags, and `tessera:safe` without them. */
import assert from "node:assert/strict";
import { compileArguments } from "../../tools/compile.ts";
import { installArguments } from "../../tools/install.ts";
import { fastFlags, safeFlags } from "../../tools/v8_flags.ts";

/** Bits of the vectors that a task computes with, and why. */
async function vectorsOf(task: string): Promise<{ bits: number; reason: string }> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", task, "info", "devices", "--json"],
    // As a user has it, not as tests are started.
    env: { DENO_V8_FLAGS: safeFlags },
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).wasm.vectors;
}

Deno.test("the flags of the safe task turn off those of the other, one by one", () => {
  const flags = fastFlags.split(",");
  assert.deepEqual(flags, ["--experimental-wasm-revectorize", "--no-wasm-bounds-checks"]);
  const negated = flags.map((flag) =>
    flag.startsWith("--no-") ? flag.replace("no-", "") : flag.replace("--", "--no-")
  );
  assert.deepEqual(safeFlags.split(","), negated);
});

Deno.test("task, binary and installed tool have the flags, the safe task has not", async () => {
  const argument = `--v8-flags=${fastFlags}`;
  assert.ok((await compileArguments("tessera")).includes(argument));
  assert.ok(installArguments().includes(argument));
  const safe = await vectorsOf("tessera:safe");
  assert.equal(safe.bits, 128);
  const fast = await vectorsOf("tessera");
  const speed = ({ reason }: { reason: string }) => Number(/([\d.]+) times/.exec(reason)![1]);
  // Not every processor has 256 bits, but none is slower for the flags.
  assert.equal(fast.bits, speed(fast) >= 1.2 ? 256 : 128);
  if (Deno.build.arch === "x86_64") assert.ok(speed(fast) > speed(safe), fast.reason);
});
