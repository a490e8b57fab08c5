import assert from "node:assert/strict";
import { accuracyComputeChart } from "../../../evaluation/charts/accuracy_compute.ts";
import { accuracyCostChart } from "../../../evaluation/charts/accuracy_cost.ts";
import { accuracyTokensChart } from "../../../evaluation/charts/accuracy_tokens.ts";
import { classChart } from "../../../evaluation/charts/class_bars.ts";
import { reliabilityChart } from "../../../evaluation/charts/reliability.ts";
import { robustnessCharts } from "../../../evaluation/charts/robustness.ts";
import { accuracyInterval } from "../../../metrics/accuracy.ts";
import { paretoFront } from "../../../metrics/pareto.ts";
import { exampleReport } from "../report/example.ts";

const report = exampleReport();

Deno.test("tokens: one line a kind, ordered, with intervals in percent", () => {
  const { series } = accuracyTokensChart(report.settings.toReversed());
  assert.deepEqual(series.map(({ name }) => name).sort(), ["aspect ratio kept", "square"]);
  for (const { points } of series) {
    assert.deepEqual(points.map(({ x }) => x), points.map(({ x }) => x).toSorted((a, b) => a - b));
  }
  const [row] = report.settings;
  const point = series.flatMap(({ points }) => points).find(({ x }) => x === row.tokens)!;
  assert.equal(point.y, 100 * row.top1);
  const [low, high] = accuracyInterval(row.top1, 400);
  assert.deepEqual(point.error, [100 * (row.top1 - low), 100 * (high - row.top1)]);
});

Deno.test("checkpoints are named where there are several", () => {
  const [row] = report.settings;
  const { series } = accuracyTokensChart([row, { ...row, checkpoint: "0004000" }]);
  assert.deepEqual(series.map(({ name }) => name), [
    "0002000, aspect ratio kept",
    "0004000, aspect ratio kept",
  ]);
});

Deno.test("cost: the front is over settings and cascades; cascades share an entry", () => {
  const { series, x } = accuracyCostChart(report.settings, report.cascades);
  assert.equal(x.title, "measured ms an image");
  const cascades = series.filter(({ name }) => name === "cascades");
  assert.equal(cascades.length, 6);
  assert.equal(cascades.filter(({ unlisted }) => !unlisted).length, 1);
  const points = [
    ...report.settings.map((row) => ({ cost: row.milliseconds, accuracy: row.top1 })),
    ...report.cascades!.cascades.flatMap(({ points }) => points),
  ];
  const front = series.find(({ name }) => name === "Pareto front with cascades")!;
  assert.deepEqual(
    front.points,
    paretoFront(points).map(({ cost, accuracy }) => ({ x: cost, y: 100 * accuracy })),
  );
  const labels = series.flatMap(({ points }) => points).map(({ label }) => label).filter(Boolean);
  assert.deepEqual(labels, report.settings.map(({ setting }) => setting));
});

Deno.test("cost without cascades is in multiply-adds", () => {
  const { series, x } = accuracyCostChart(report.settings);
  assert.equal(x.title, "million multiply-adds an image");
  assert.deepEqual(series.map(({ name }) => name), ["Pareto front", "aspect ratio kept", "square"]);
  assert.equal(series[1].points[0].x, report.settings[0].multiplyAdds / 1e6);
});

Deno.test("reliability: a diagonal, and the buckets with enough images", () => {
  const buckets = [
    { low: 0, high: 0.5, images: 0 },
    { low: 0.5, high: 0.75, images: 9, confidence: 0.6, accuracy: 0.5 },
    { low: 0.75, high: 1, images: 10, confidence: 0.9, accuracy: 0.5 },
  ];
  const { series } = reliabilityChart([{ name: "model", error: 0.1234, buckets }]);
  assert.deepEqual(series.map(({ name }) => name), ["calibrated", "model (ECE 0.123)"]);
  assert.deepEqual(series[1].points.map(({ x, y }) => [x, y]), [[90, 50]]);
});

Deno.test("classes: from the best down, those without images left out, 40 at most", () => {
  const rows = Array.from({ length: 60 }, (_, index) => ({
    name: `class ${index}`,
    images: index === 0 ? 0 : 100,
    correct: index,
    predicted: index,
    ...(index === 0 ? {} : { accuracy: index / 100 }),
  }));
  const few = classChart({ name: "model", rows: rows.slice(0, 3) });
  assert.deepEqual(few.bars.map(({ category }) => category), [
    "class 2 (n 100)",
    "class 1 (n 100)",
  ]);
  const many = classChart({ name: "model", rows });
  assert.equal(many.bars.length, 40);
  assert.equal(many.bars[0].value, 59);
  assert.equal(many.bars[39].value, 1);
  assert.match(many.subtitle!, /the best and the worst 20 of 59 classes$/);
});

Deno.test("robustness: one chart a change, zero at the base", () => {
  const charts = robustnessCharts(report.robustness!);
  assert.deepEqual(charts.map(({ series }) => series.map(({ name }) => name)), [
    ["NaViT (base 1)", "ViT (base 1)"],
    ["NaViT (base 28)"],
  ]);
  assert.match(charts[0].subtitle!, /^bars: /);
  assert.match(charts[1].subtitle!, /^NaViT \(base 28\) · bars: /);
  assert.deepEqual(charts[0].series[0].points[2], { x: 1, y: 0, error: undefined });
});

Deno.test("compute: means where all seeds were measured, every seed as points", () => {
  const seeds = [
    [{ compute: 1, accuracy: 0.5 }, { compute: 2, accuracy: 0.625 }],
    [{ compute: 1, accuracy: 0.75 }],
  ];
  const options = { compute: "core hours", subtitle: "CIFAR-10" };
  const chart = accuracyComputeChart([{ name: "NaViT", seeds }], options);
  const [line, points] = chart.series;
  assert.deepEqual(line.points, [{ x: 1, y: 62.5, error: 100 * Math.sqrt(2) / 8 }]);
  assert.equal(line.errors, "band");
  assert.deepEqual(points.points, [{ x: 1, y: 50 }, { x: 2, y: 62.5 }, { x: 1, y: 75 }]);
  assert.deepEqual([points.unlisted, points.color], [true, line.color]);
  assert.match(chart.subtitle!, /^CIFAR-10 · points: seeds/);
  const single = accuracyComputeChart([{ name: "NaViT", seeds: [seeds[0]] }], options);
  assert.deepEqual(single.series.map(({ mark }) => mark), ["line-points"]);
  assert.equal(single.subtitle, "CIFAR-10");
});
