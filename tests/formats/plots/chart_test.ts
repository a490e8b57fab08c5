import assert from "node:assert/strict";
import { svgToPng } from "../../../formats/pictures/bitmap.ts";
import type { Point, XYChart } from "../../../formats/plots/chart.ts";
import { renderChart } from "../../../formats/plots/render.ts";
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
  const clipped = chart(line, { x: { title: "x", domain: [0, 4] } });
  for (const one of [chart(line), clipped]) {
    assert.equal(await renderChart(one), await renderChart(one));
  }
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

Deno.test("values that crowd, are many or have many digits do not mark a logarithmic axis", async () => {
  const labelsOf = async (values: readonly number[]) => {
    const points = values.map((x) => ({ x, y: 1 }));
    return textsOf(await renderChart(chart(points, { x: { title: "x", scale: "log" } })));
  };
  assert.ok((await labelsOf([0.25, 0.5, 1, 4])).includes("0.25"));
  assert.ok((await labelsOf([16, 32, 64, 128])).includes("128"));
  assert.ok(!(await labelsOf([15.6, 16, 32, 128])).includes("15.6"));
  assert.ok(!(await labelsOf([0.34567, 3.4])).includes("0.34567"));
});

Deno.test("labels stand beside their points and lift the lowest from the axis", async () => {
  const points = [{ x: 1, y: 10 }, { x: 2, y: 40 }];
  const plain = await renderChart(chart(points));
  const labelled = await renderChart(chart(points.map((one, i) => ({ ...one, label: `at ${i}` }))));
  const texts = textsOf(labelled);
  assert.ok(texts.includes("at 0") && texts.includes("at 1"));
  assert.ok(!textsOf(plain).includes("undefined"));
  const lowest = (svg: string) =>
    Number(
      svg.match(/aria-roledescription="circle"[^>]*transform="translate\([\d.]+,([\d.]+)\)"/)![1],
    );
  assert.ok(lowest(labelled) < lowest(plain) - 15, `${lowest(labelled)} ${lowest(plain)}`);
});

Deno.test("errors as a band are one shape a stretch", async () => {
  const points = [
    ...line,
    { x: 9, y: NaN },
    ...line.map(({ x, ...rest }) => ({ x: x + 9, ...rest })),
  ];
  const svg = await renderChart(chart(line, { series: [{ name: "one", points, errors: "band" }] }));
  assert.equal(svg.split('aria-roledescription="area mark"').length - 1, 2);
  assert.equal(count(svg, "rule mark"), 0);
});

Deno.test("unlisted series are drawn in their colour and are not in the legend", async () => {
  const series = [
    { name: "listed", points: line },
    { name: "unlisted", points: line, unlisted: true, color: "#123456" },
    { name: "other", points: line },
  ];
  const svg = await renderChart(chart(line, { series }));
  const texts = textsOf(svg);
  assert.ok(texts.includes("listed") && texts.includes("other") && !texts.includes("unlisted"));
  assert.equal(count(svg, "line mark"), 3);
  assert.ok(svg.includes('stroke="#123456"'));
  const alone = await renderChart(chart(line, { series: series.slice(0, 2) }));
  assert.ok(!textsOf(alone).includes("listed"), "one entry needs no legend");
});

Deno.test("a legend that does not fit on a line has several", async () => {
  const series = Array.from({ length: 9 }, (_, index) => ({
    name: `a rather long name of a series, ${index}`,
    points: line,
  }));
  const svg = await renderChart(chart(line, { series }));
  assert.match(svg, /width="900" height="500"/);
  for (const { name } of series) assert.ok(textsOf(svg).includes(name));
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
  const uneven = [{ category: "none of 19", value: 0, error: [0, 16.8] as const }];
  assert.ok(
    textsOf(await renderChart({ kind: "bar", title: "T", value, bars: uneven }))
      .some((text) => /^0\.0 \(0\.0 to 16\.8\)$|^0 \(0 to 17\)$/.test(text)),
  );
  const height = (svg: string) => Number(svg.match(/ height="(\d+)"/)![1]);
  const more = [...bars, { category: "more", value: 3 }];
  assert.ok(
    height(await renderChart({ kind: "bar", title: "T", value, bars: more })) > height(svg),
  );
  const open = { ...value, domain: undefined };
  assert.equal(await renderChart({ kind: "bar", title: "Time", value: open, bars }), svg);
  const none = await renderChart({ kind: "bar", title: "T", value, bars: [] });
  assert.ok(textsOf(none).includes("no data"));
});

Deno.test("values that are one value up to rounding have an axis with a range", async () => {
  for (const value of [0.001, 0, -3, 2e9]) {
    const points = [0, 1, 2].map((x) => ({ x, y: value * (1 + x * 2e-16) }));
    const series = [{ name: "flat", points }];
    const svg = await renderChart(chart(line, { x: { title: "x" }, y: { title: "y" }, series }));
    const labels = textsOf(svg).filter((text) => /^[−-]?[\d.,]+[GMk]?$/.test(text));
    assert.ok(labels.every((label) => label.length <= 7), labels.join(" "));
    assert.ok(new Set(labels).size > 5, labels.join(" "));
  }
});
