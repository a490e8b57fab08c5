/** The loss curve in a run folder. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { curvePath, RunCurve } from "../../../training/runs/run_curve.ts";
import { metricsPath, readMetrics, readMetricsFile } from "../../../training/runs/metrics.ts";
import { namesIn, onWasm, run, train, withFolder } from "../../cli/runs.ts";
import { textsOf } from "../../formats/pictures.ts";

const lines = (steps: readonly number[]) =>
  steps.map((step) => `${JSON.stringify({ step, loss: 1 / step })}\n`).join("");

Deno.test("a run leaves its loss curve, and draws it anew when it goes on", async () => {
  await withFolder(async (folder) => {
    const path = await train(folder, ...onWasm, "--steps", "3", "--log-every", "1");
    const first = await Deno.readTextFile(curvePath(path));
    const texts = textsOf(first);
    assert(texts.includes("Training loss") && texts.includes("000-DiT-XS-4"), texts.join());
    const { code, err } = await run("train", "dit", "--resume", path, "--steps", "6", ...onWasm);
    assert.equal(code, 0, err);
    assert.notEqual(await Deno.readTextFile(curvePath(path)), first);
  });
});

Deno.test("a run that ends in a loss that is not finite has a curve as well", async () => {
  await withFolder(async (folder) => {
    const { code } = await run(
      ...["train", "dit", "--results-dir", folder, "--steps", "40", "--log-every", "1"],
      ...["--lr", "1e30", "--clip-grad", "0", "--patch", "7", "--hidden", "16", "--heads", "2"],
      ...["--depth", "1", "--batch-size", "8", ...onWasm],
    );
    assert.equal(code, 3);
    assert.match(
      textsOf(await Deno.readTextFile(curvePath(join(folder, "000-DiT-XS-4")))).join(),
      /left out/,
    );
  });
});

Deno.test("a running run draws after a minute, then at most half a percent of its time", async () => {
  await withFolder(async (folder) => {
    let seconds = 0;
    // Each look at the clock takes a second, so that drawing does.
    const curve = new RunCurve(folder, assert.fail, () => 1000 * seconds++);
    await Deno.writeTextFile(metricsPath(folder), lines([1, 2, 3]));
    const isDrawn = async (at: number) => {
      seconds = at;
      await Deno.remove(curvePath(folder)).catch(() => {});
      await curve.drawWhenDue();
      return (await namesIn(folder)).includes("loss.svg");
    };
    assert.equal(await isDrawn(59), false);
    assert.equal(await isDrawn(60), true);
    assert.equal(await isDrawn(200), false);
    assert.equal(await isDrawn(263), true);
  });
});

Deno.test("without a log there is nothing to draw", async () => {
  await withFolder(async (folder) => {
    await new RunCurve(folder, assert.fail).draw();
    assert.deepEqual(await namesIn(folder), []);
  });
});

Deno.test("a curve that cannot be written is a warning", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(metricsPath(folder), lines([1, 2]));
    await Deno.mkdir(join(curvePath(folder), "in the way"), { recursive: true });
    const warnings: string[] = [];
    await new RunCurve(folder, (line) => warnings.push(line)).draw();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /^warning: the loss curve was not drawn: /);
  });
});

Deno.test("lines that are not whole are left out and named, wherever they are", async () => {
  await withFolder(async (folder) => {
    const text = `${lines([1])}{"step":2,"lo\n${lines([3])}{"st`;
    await Deno.writeTextFile(metricsPath(folder), text);
    const { metrics, damaged } = await readMetricsFile(folder);
    assert.deepEqual(metrics.map(({ step }) => step), [1, 3]);
    assert.deepEqual(damaged, [2, 4]);
    assert.equal((await readMetrics(folder)).length, 2);
  });
});
