/** Runs read back from their metrics. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import {
  eventsOf,
  measuresOf,
  readingsOf,
  readLoggedRuns,
} from "../../../training/runs/logged_run.ts";
import { metricsPath } from "../../../training/runs/metrics.ts";
import { withFolder } from "../../cli/runs.ts";

/** Lines as they are read: not finite is null. */
const logged = (lines: readonly object[]) => ({
  name: "a",
  metrics: lines as never,
  written: 1000,
});

Deno.test("values that were not finite are NaN, measures that a line lacks are left out", () => {
  const run = logged([{ step: 1, loss: null }, { step: 2, loss: 0.5, accuracy: 0.1 }]);
  assert.deepEqual(readingsOf(run, "loss").readings, [
    { step: 1, value: NaN },
    { step: 2, value: 0.5 },
  ]);
  assert.equal(readingsOf(run, "accuracy").readings.length, 1);
  assert.deepEqual(measuresOf([run]), ["loss", "accuracy"]);
});

Deno.test("times are counted back from the last line, across processes of a run", () => {
  const run = logged([
    { step: 1, loss: 1, seconds: 10 },
    { step: 2, loss: 1, seconds: 25 },
    { step: 3, loss: 1, seconds: 4 },
    { step: 4, loss: 1, seconds: 9 },
  ]);
  assert.deepEqual(eventsOf(run).map(({ time }) => time), [976, 991, 995, 1000]);
  assert.deepEqual(eventsOf(run)[0], { time: 976, step: 1, values: { loss: 1 } });
});

Deno.test("runs are called after their folders, by their paths where those are alike", async () => {
  await withFolder(async (folder) => {
    const paths = ["a/000", "b/000", "b/001"].map((path) => join(folder, path));
    for (const path of paths) {
      await Deno.mkdir(path, { recursive: true });
      await Deno.writeTextFile(metricsPath(path), '{"step":1,"loss":2}\n{"ste');
    }
    const warnings: string[] = [];
    const runs = await readLoggedRuns(paths, (line) => warnings.push(line));
    assert.deepEqual(runs.map(({ name }) => name), [paths[0], paths[1], "001"]);
    assert.deepEqual(
      warnings,
      paths.map((path) => `${metricsPath(path)}: line 2 is not whole and left out`),
    );
    await assert.rejects(
      readLoggedRuns([folder], assert.fail),
      /no run, there is no metrics.jsonl/,
    );
    await Deno.writeTextFile(metricsPath(paths[0]), "");
    await assert.rejects(readLoggedRuns([paths[0]], assert.fail), /nothing has been logged yet/);
  });
});
