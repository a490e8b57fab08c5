import assert from "node:assert/strict";
import { renderChart } from "../../../formats/plots/render.ts";
import { courseOf, runCurves } from "../../../formats/plots/run_curves.ts";
import { textsOf } from "../pictures.ts";

const readings = (values: readonly number[]) =>
  values.map((value, index) => ({ step: index + 1, value }));

const curve = (values: readonly number[], subtitle?: string) =>
  runCurves("loss", [{ name: "run", readings: readings(values) }], subtitle);

/** A fixed sequence that looks like noise, -0.5 to 0.5. */
const noise = (index: number) => (Math.sin(index * 12.9898) * 43758.5453) % 1 / 2;

Deno.test("smoothing keeps a constant, takes away noise and does not lag", () => {
  assert.deepEqual(courseOf(readings([2, 2, 2, 2])), readings([2, 2, 2, 2]));
  const falling = Array.from({ length: 1000 }, (_, index) => 10 - index / 200);
  const course = courseOf(readings(falling.map((loss, index) => loss + noise(index))));
  for (let index = 100; index < 900; index++) {
    assert.ok(Math.abs(course[index].value - falling[index]) < 0.12);
  }
});

Deno.test("smoothing follows a steep start", () => {
  const losses = Array.from({ length: 2000 }, (_, index) => Math.exp(-index / 30));
  const course = courseOf(readings(losses));
  assert.equal(course[0].value, losses[0]);
  assert.ok(course[30].value < 1.1 * losses[30]);
});

Deno.test("long runs are thinned without losing their peaks", () => {
  const losses = Array.from({ length: 100_000 }, (_, index) => 1 + noise(index) / 10);
  losses[54_321] = 3;
  losses[54_400] = 0.2;
  const [raw, course] = curve(losses).series;
  assert.ok(raw.points.length <= 1200 && course.points.length <= 601);
  assert.ok(raw.points.some(({ x, y }) => x === 54_322 && y === 3));
  assert.ok(raw.points.some(({ x, y }) => x === 54_401 && y === 0.2));
  assert.ok(raw.points.every(({ x }, index) => index === 0 || x > raw.points[index - 1].x));
  assert.equal(course.points.at(-1)!.x, 100_000);
});

Deno.test("values that are not finite are left out and counted", async () => {
  const chart = curve([1, NaN, 0.8, Infinity, 0.7], "DiT");
  assert.equal(chart.subtitle, "DiT · 2 non-finite values left out");
  assert.equal(chart.series[0].points.length, 3);
  assert.ok(textsOf(await renderChart(curve([NaN]))).includes("no data"));
});

Deno.test("the axis is logarithmic when values fall far and stay positive", () => {
  const scale = (values: number[]) => curve(values).y.scale;
  assert.equal(scale([1, 0.9, 0.8]), "linear");
  assert.equal(scale([1, 0.5, 0.1]), "log");
  assert.equal(scale([0.1, 0.5, 1]), "linear", "a rising accuracy");
  assert.equal(scale([1, 0.5, -0.1]), "linear");
  assert.equal(scale([]), "linear");
});

Deno.test("a curve of no, one and two values is drawn", async () => {
  for (const values of [[], [0.5], [0.5, 0.4]]) {
    const svg = await renderChart(curve(values));
    assert.ok(textsOf(svg).includes(values.length > 0 ? "step" : "no data"));
    assert.ok(!/NaN|Infinity/.test(svg));
  }
});

Deno.test("several runs have one line each, called after them; measures have words for names", async () => {
  const runs = ["000-DiT-S-8", "001-DiT-S-4"].map((name, index) => ({
    name,
    readings: readings([3 + index, 2, 1 + index]),
  }));
  const texts = textsOf(await renderChart(runCurves("gradientNorm", runs)));
  for (const text of ["000-DiT-S-8", "001-DiT-S-4", "Gradient norm", "gradient norm"]) {
    assert.ok(texts.includes(text), text);
  }
  assert.equal(runCurves("gradientNorm", runs).series.length, 2);
  const titles = ["evalFrechetDistance", "evalPsnr", "evalAccuracy"]
    .map((measure) => runCurves(measure, runs).title);
  assert.deepEqual(titles, [
    "Frechet distance of evaluations",
    "PSNR of evaluations",
    "Accuracy of evaluations",
  ]);
});
