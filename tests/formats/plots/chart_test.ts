import assert from "node:assert/strict";
import { svgToPng } from "../../../formats/bitmap.ts";
import { type Point, renderChart, type XYChart } from "../../../formats/plots/chart.ts";
import { decodePng, textsOf } from "../pictures.ts";

function chart(points: readonly Point[], more: Partial<XYChart> = {}): XYChart {
  return {
    kind: "xy",
    title: "Title",
    x: { title: "batch size" },
    y: { title: "images/s" },
    series: [{ name: "one", points, mark: "line-points" }],
    ...more,
  };
}

const line = [1, 2, 4, 8].map((x) => ({ x, y: 10 * x, error: 1 }));

/** Circles and lines of a document. */
function count(svg: string, role: "line mark" | "circle" | "rule mark"): number {
  return svg.split(`aria-roledescription="${role}"`).length - 1;
}

Deno.test("a chart is 900 x 500 pixels, twice that as PNG, and has no <text>", async () => {
  const svg = await renderChart(chart(line, { subtitle: "a machine" }));
  assert.match(svg, /<svg [^>]*width="900" height="500"/);
  assert.ok(!/<text|<image|href=|font-family/.test(svg));
  for (const text of ["Title", "a machine", "batch size", "images/s", "0", "20", "80"]) {
    assert.ok(textsOf(svg).includes(text), text);
  }
  const { height, width } = await decodePng(await svgToPng(svg));
  assert.deepEqual([height, width], [1000, 1800]);
});

Deno.test("the same chart is the same document each time", async () => {
  assert.equal(await renderChart(chart(line)), await renderChart(chart(line)));
});

for (const scale of ["linear", "log"] as const) {
  Deno.test(`no, one and two points are drawn on ${scale} axes`, async () => {
    const x = { title: "x", scale };
    const y = { title: "y", scale };
    const empty = await renderChart(chart([], { x, y }));
    assert.ok(textsOf(empty).includes("no data"));
    const one = await renderChart(chart([{ x: 3, y: 5 }], { x, y }));
    assert.equal(count(one, "circle"), 1);
    assert.ok(!one.includes("NaN") && !one.includes("Infinity"));
    const two = await renderChart(chart([{ x: 3, y: 5 }, { x: 4, y: 6 }], { x, y }));
    assert.equal(count(two, "circle"), 2);
    assert.equal(count(two, "line mark"), 1);
  });
}

Deno.test("values that have no place break the line and are counted", async () => {
  const values = [1, 2, NaN, 3, Infinity, 4, 5, -Infinity];
  const points = values.map((y, x) => ({ x, y }));
  const svg = await renderChart(chart(points, { series: [{ name: "one", points }] }));
  assert.ok(textsOf(svg).includes("3 values could not be drawn"));
  assert.equal(count(svg, "line mark"), 3);
  assert.equal(count(svg, "circle"), 1, "a value without neighbours is a dot");
  assert.ok(!/NaN|Infinity/.test(svg));
  const log = await renderChart(
    chart([{ x: 1, y: 0 }, { x: 2, y: 3 }], { y: { title: "y", scale: "log" } }),
  );
  assert.ok(textsOf(log).includes("1 value could not be drawn"));
});

Deno.test("logarithmic axes mark few values themselves, otherwise round ones", async () => {
  const x = { title: "x", scale: "log" } as const;
  const few = textsOf(await renderChart(chart(line, { x })));
  assert.deepEqual(few.slice(0, 4), ["1", "2", "4", "8"]);
  const many = Array.from({ length: 50 }, (_, index) => ({ x: 7 + 97 * index, y: 1 }));
  const texts = textsOf(await renderChart(chart(many, { x })));
  assert.deepEqual(texts.slice(0, 5), ["10", "30", "100", "300", "1,000"]);
  const steep = Array.from({ length: 50 }, (_, index) => ({ x: index, y: 2 ** (index / 3) }));
  const y = { title: "y", scale: "log" } as const;
  const labels = textsOf(await renderChart(chart(steep, { y })));
  for (const text of ["1", "10", "100", "1,000", "10,000"]) assert.ok(labels.includes(text), text);
});

Deno.test("several series have a legend; hostile names are only names", async () => {
  const names = ["__proto__", '<b>&"', "long ".repeat(40)];
  const series = names.map((name) => ({ name, points: line }));
  const svg = await renderChart(chart(line, { series }));
  assert.ok(textsOf(svg).includes("__proto__"));
  assert.ok(textsOf(svg).includes("&lt;b&gt;&amp;&quot;"));
  assert.ok(textsOf(svg).some((text) => /^long .*…$/.test(text)));
  assert.ok(!svg.includes("<b>"));
  assert.match(svg, /width="900"/);
  assert.equal(count(svg, "rule mark"), 3 * line.length, "error bars");
});

Deno.test("bars say their values and grow with their number", async () => {
  const bars = [
    { category: "Tessera", value: 412.34, error: 11.2 },
    { category: "a name that is far too long to stand beside a bar", value: 0.00123 },
    { category: "lost", value: NaN },
  ];
  const value = { title: "ms" };
  const svg = await renderChart({ kind: "bar", title: "Time", value, bars });
  const texts = textsOf(svg);
  assert.ok(texts.includes("412 ± 11") && texts.includes("0.00123"));
  assert.ok(texts.some((text) => /^a name that .*…$/.test(text)));
  assert.ok(texts.includes("1 value could not be drawn") && !texts.includes("lost"));
  const height = (svg: string) => Number(svg.match(/ height="(\d+)"/)![1]);
  const more = [...bars, { category: "more", value: 3 }];
  assert.ok(
    height(await renderChart({ kind: "bar", title: "T", value, bars: more })) > height(svg),
  );
  const none = await renderChart({ kind: "bar", title: "T", value, bars: [] });
  assert.ok(textsOf(none).includes("no data"));
});
