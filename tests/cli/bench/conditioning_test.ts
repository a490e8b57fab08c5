/** `tessera bench conditioning`: the study in little. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { readManifest } from "../../../training/checkpoints/manifest.ts";
import { readMetrics } from "../../../training/runs/metrics.ts";
import { assertFails, checkpointOf, onWasm, run, succeed, tinyModel, withFolder } from "../runs.ts";

Deno.test("bench conditioning trains the four designs alike, goes on where it stopped, and plots", async () => {
  await withFolder(async (folder) => {
    const [results, chart] = [join(folder, "study"), join(folder, "chart.svg")];
    const flags = ["bench", "conditioning", ...tinyModel, ...onWasm, "--log-every", "1", "--quiet"];
    const study = (...more: string[]) => run(...flags, "--results-dir", results, ...more);
    const half = await study("--steps", "1");
    assert.equal(half.code, 0, half.err);
    const table = await succeed(
      ...flags,
      ...["--results-dir", results, "--steps", "2", "--out", chart],
    );
    const designs = ["in-context", "cross-attention", "adaLN", "adaLN-Zero"];
    for (const design of designs) {
      assert.match(table, new RegExp(`^${design} +[\\d,]+ +[\\d,]+ +2 +\\d\\.\\d{4}`, "m"));
      const { config, run: { seed } } = await readManifest(
        checkpointOf(join(results, design), 2),
      );
      assert.deepEqual([Object(config).conditioning, seed], [design, 0]);
    }
    const steps = (await readMetrics(join(results, "adaLN"))).map(({ step }) => step);
    assert.deepEqual(steps, [1, 2], "the first step is not made again");
    const svg = await Deno.readTextFile(chart);
    assert(designs.every((design) => svg.includes(design)));
    assertFails(await study("--steps", "3", "--lr", "1e-4"), 1, /is of a run with other settings/);
    assertFails(await study("--out", "x.pdf"), 2, /the ending must be \.svg, \.png or \.html$/m);
  });
});

Deno.test("bench conditioning: one rate for all four, which is that of each by itself but for adaLN-Zero", async () => {
  await withFolder(async (folder) => {
    const rate = tinyModel.indexOf("--lr");
    const model = tinyModel.toSpliced(rate, 2);
    const flags = [...model, ...onWasm, "--steps", "1", "--results-dir", folder, "--quiet"];
    await succeed("bench", "conditioning", ...flags);
    for (const design of ["in-context", "cross-attention", "adaLN", "adaLN-Zero"]) {
      const { run } = await readManifest(checkpointOf(join(folder, design), 1));
      assert.equal(run.learningRate, 2e-3, design);
    }
  });
});
