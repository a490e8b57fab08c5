/** The tool starts V8 with its flags, and `tessera:safe` without them. */
import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { compileArguments } from "../../tools/compile.ts";
import { installArguments } from "../../tools/install.ts";
import { fastFlags, lazyImports, safeFlags } from "../../tools/v8_flags.ts";

/** The vectors that a task computes with. */
async function vectorsOf(task: string): Promise<{ readonly bits: number }> {
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
  if (await hasWideVectors()) {
    const fast: number[] = [];
    // The choice is a matter of timing, which a busy machine can spoil.
    for (let attempt = 0; attempt < 3 && !fast.includes(256); attempt++) {
      fast.push((await vectorsOf("tessera")).bits);
    }
    assert.ok(fast.includes(256));
  }
});

Deno.test("task and installed tool read no module before a command loads it", () => {
  assert.ok(config.tasks.tessera.command.split(" ").includes(lazyImports));
  assert.ok(installArguments().includes(lazyImports));
});

/** Whether the processor is known to have vectors of 256 bits that V8 uses. */
async function hasWideVectors(): Promise<boolean> {
  const processor = await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
  return / avx2 /.test(processor) && / fma /.test(processor);
}
