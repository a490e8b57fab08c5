/** `tessera demo navit`: everything it promises, with little training. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { namesIn, onWasm, run, withFolder } from "../runs.ts";

Deno.test("demo navit trains, prints accuracy against tokens, and leaves a plot and a report", async () => {
  await withFolder(async (results) => {
    const { code, out, err } = await run(
      ...["demo", "navit", "--seconds", "5", "--results-dir", results],
      ...onWasm,
    );
    assert.equal(code, 0, err);
    const folder = join(results, "000-NaViT-XS-8");
    const rows = out.split("\n").filter((line) => line.startsWith("demo "));
    assert.equal(rows.length, 9, out);
    assert.match(rows[0], /^demo +4 tokens +tokens +3\.9 /);
    assert.match(rows.at(-1)!, /^demo +native, padded +padded +42\.5 /);
    assert.match(err, /packing is \d+\.\d times as fast/);
    const names = await namesIn(folder);
    for (const name of ["accuracy.png", "report.html", "config.json", "log.txt"]) {
      assert(names.includes(name), `${name} is missing`);
      assert(out.includes(join(folder, name)) || !/^(?:accuracy|report)/.test(name));
    }
    const log = await Deno.readTextFile(join(folder, "log.txt"));
    assert.match(log, /Z {2}device: wasm,.*\n.*Z {2}data: /);
    assert.match(log, /Z {2}saved .*checkpoints/);
    // A slow machine does not come to its first log in this time.
    const hasMetrics = names.includes("metrics.jsonl");
    assert.equal(names.includes("loss.svg"), hasMetrics);
    assert.equal(out.includes("loss.svg"), hasMetrics);
    const page = await Deno.readTextFile(join(folder, "report.html"));
    assert.match(page, /^<!doctype html>/i);
    assert(page.includes("Accuracy against cost"));
  });
});
