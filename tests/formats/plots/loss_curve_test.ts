import assert from "node:assert/strict";
import { renderChart } from "../../../formats/plots/chart.ts";
import { lossCurve, smoothLoss } from "../../../formats/plots/loss_curve.ts";
import { textsOf } from "../pictures.ts";

const run = (losses: readonly number[]) => losses.map((loss, index) => ({ step: index + 1, loss }));

/** A fixed sequence that looks like noise, -0.5 to 0.5. */
const noise = (index: number) => (Math.sin(index * 12.9898) * 43758.5453) % 1 / 2;

Deno.test("smoothing keeps a constant, takes away noise and does not lag", () => {
  assert.deepEqual(smoothLoss(run([2, 2, 2, 2])), run([2, 2, 2, 2]));
  const falling = Array.from({ length: 1000 }, (_, index) => 10 - index / 200);
  const noisy = smoothLoss(run(falling.map((loss, index) => loss + noise(index))));
  for (let index = 100; index < 900; index++) {
    assert.ok(Math.abs(noisy[index].loss - falling[index]) < 0.12);
  }
});

Deno.test("smoothing follows a steep start", () => {
  const losses = Array.from({ length: 2000 }, (_, index) => Math.exp(-index / 30));
  const smooth = smoothLoss(run(losses));
  assert.equal(smooth[0].loss, losses[0]);
  assert.ok(smooth[30].loss < 1.1 * losses[30]);
});

Deno.test("long runs are thinned without losing their peaks", () => {
  const losses = Array.from({ length: 100_000 }, (_, index) => 1 + noise(index) / 10);
  losses[54_321] = 3;
  losses[54_400] = 0.2;
  for (const stepScale of ["linear", "log"] as const) {
    const [raw, smooth] = lossCurve({ training: run(losses) }, { stepScale }).series;
    assert.ok(raw.points.length <= 1200 && smooth.points.length <= 601);
    assert.ok(raw.points.some(({ x, y }) => x === 54_322 && y === 3));
    assert.ok(raw.points.some(({ x, y }) => x === 54_401 && y === 0.2));
    assert.ok(raw.points.every(({ x }, index) => index === 0 || x > raw.points[index - 1].x));
    assert.equal(smooth.points.at(-1)!.x, 100_000);
  }
});

Deno.test("losses that are not finite are left out and counted", async () => {
  const chart = lossCurve({ training: run([1, NaN, 0.8, Infinity, 0.7]) }, { subtitle: "DiT" });
  assert.equal(chart.subtitle, "DiT · 2 non-finite losses left out");
  assert.equal(chart.series[0].points.length, 3);
  const none = lossCurve({ training: run([NaN]) });
  assert.ok(textsOf(await renderChart(none)).includes("no data"));
});

Deno.test("the loss is logarithmic when it falls far and positive", () => {
  const scale = (losses: number[]) => lossCurve({ training: run(losses) }).y.scale;
  assert.equal(scale([1, 0.9, 0.8]), "linear");
  assert.equal(scale([1, 0.5, 0.1]), "log");
  assert.equal(scale([1, 0.5, -0.1]), "linear");
  assert.equal(scale([]), "linear");
});

Deno.test("a curve of no, one and two losses is drawn", async () => {
  for (const losses of [[], [0.5], [0.5, 0.4]]) {
    const svg = await renderChart(lossCurve({ training: run(losses) }, { stepScale: "log" }));
    assert.ok(textsOf(svg).includes(losses.length > 0 ? "step" : "no data"));
    assert.ok(!/NaN|Infinity/.test(svg));
  }
});

Deno.test("validation losses have their own entries", async () => {
  const data = { training: run([3, 2, 1]), validation: run([3]), ema: run([2]) };
  const texts = textsOf(await renderChart(lossCurve(data, { lossName: "loss (nats)" })));
  const entries = ["training, as logged", "training, smoothed", "validation"];
  for (const text of [...entries, "validation, EMA weights", "loss (nats)", "Training loss"]) {
    assert.ok(texts.includes(text), text);
  }
});
