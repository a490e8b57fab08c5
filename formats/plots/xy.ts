/**
 * Lines and points over two axes as a Vega-Lite specification: two layers for each series, the line
 * and the points, and one for error bars.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import type { Series, XYChart } from "./chart.ts";
import { defaultWidth, heading, isDrawable, noData, paletteColor, scaleAndAxis } from "./frame.ts";

/** A point in the form that Vega-Lite gets. */
interface Row {
  readonly x: number;
  readonly y: number;
  readonly series: string;
  /** Which stretch of the line it belongs to: a line breaks where a value is left out. */
  readonly stretch: number;
  readonly low?: number;
  readonly high?: number;
}

/** Lengths of dashes and of gaps, in pixels. */
const dash = [6, 4];

const lineWidths = { thin: 1, normal: 2, thick: 2.5 } as const;

/** Rows of a series, with the number of points left out. */
function rowsOf(series: Series, chart: XYChart): { rows: Row[]; leftOut: number } {
  const rows: Row[] = [];
  let stretch = 0;
  for (const { x, y, error } of series.points) {
    if (!isDrawable(x, chart.x) || !isDrawable(y, chart.y)) {
      stretch++;
      continue;
    }
    const hasError = error !== undefined && isDrawable(y - error, chart.y) &&
      isDrawable(y + error, chart.y);
    const bounds = hasError ? { low: y - error, high: y + error } : {};
    rows.push({ x, y, series: series.name, stretch, ...bounds });
  }
  return { rows, leftOut: series.points.length - rows.length };
}

/** Rows that a line does not show, because they have no neighbour in their stretch. */
function isolated(rows: readonly Row[]): Row[] {
  const sizes = new Map<number, number>();
  for (const { stretch } of rows) sizes.set(stretch, (sizes.get(stretch) ?? 0) + 1);
  return rows.filter(({ stretch }) => sizes.get(stretch) === 1);
}

/** The layers of one series. */
function layersOf(series: Series, rows: Row[], clip: boolean) {
  const { mark = "line", weight = "normal", dashed } = series;
  const strokeWidth = lineWidths[weight];
  const dots = mark === "line" ? isolated(rows) : rows;
  const line = {
    data: { values: rows },
    mark: {
      type: "line",
      clip,
      strokeWidth,
      strokeJoin: "round",
      strokeCap: "round",
      strokeDash: dashed ? dash : undefined,
    },
    encoding: { detail: { field: "stretch" } },
  } as const;
  const errors = {
    data: { values: rows.filter(({ low }) => low !== undefined) },
    mark: { type: "rule", clip, strokeWidth: 1.5 },
    encoding: { y: { field: "low", type: "quantitative" }, y2: { field: "high" } },
  } as const;
  const points = {
    data: { values: dots },
    mark: { type: "circle", clip, size: weight === "thin" ? 12 : 50, opacity: 1 },
  } as const;
  return [...(mark === "points" ? [] : [line]), errors, points];
}

/** Colours of the series, and the legend that explains them. */
function colors(series: readonly Series[]) {
  const isScatter = series.every(({ mark }) => mark === "points");
  const dashes = JSON.stringify(series.map(({ dashed }) => dashed ? dash : [1, 0]));
  return {
    field: "series",
    type: "nominal",
    scale: {
      domain: series.map(({ name }) => name),
      range: series.map(({ color }, index) => color ?? paletteColor(index)),
    },
    legend: series.length < 2 ? null : isScatter ? { symbolType: "circle", symbolSize: 80 } : {
      symbolType: "stroke",
      symbolSize: 400,
      symbolStrokeWidth: 3,
      symbolDash: { expr: `${dashes}[datum.index]` },
    },
  } as const;
}

/** The specification of a chart. */
export function xySpecification(chart: XYChart): TopLevelSpec {
  const { width = defaultWidth, height = 500, series } = chart;
  const prepared = series.map((one) => ({ one, ...rowsOf(one, chart) }));
  const leftOut = prepared.reduce((sum, { leftOut }) => sum + leftOut, 0);
  const rows = prepared.flatMap(({ rows }) => rows);
  if (rows.length === 0) return noData(chart, height, leftOut);
  const heights = rows.flatMap(({ y, low = y, high = y }) => [low, high]);
  const clip = chart.x.domain !== undefined || chart.y.domain !== undefined;
  return {
    width,
    height,
    autosize: { type: "fit", contains: "padding" },
    title: heading(chart, leftOut),
    encoding: {
      x: {
        field: "x",
        type: "quantitative",
        ...scaleAndAxis(chart.x, rows.map(({ x }) => x), { tickCount: 8, preferValues: true }),
      },
      y: { field: "y", type: "quantitative", ...scaleAndAxis(chart.y, heights, { tickCount: 5 }) },
      color: colors(series),
    },
    layer: prepared.flatMap(({ one, rows }) => layersOf(one, rows, clip)),
  } as TopLevelSpec;
}
