/**
 * Lines and points over two axes as a Vega-Lite specification: for each series layers for the errors,
 * the line, the points and their labels.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import type { Series, XYChart } from "./chart.ts";
import {
  defaultWidth,
  errorEnds,
  heading,
  isDrawable,
  legendColumns,
  noData,
  paletteColor,
  scaleAndAxis,
} from "./frame.ts";
import { mutedColor } from "./text.ts";

/** A point in the form that Vega-Lite gets. */
interface Row {
  readonly x: number;
  readonly y: number;
  readonly series: string;
  /** Which stretch of the line it belongs to: a line breaks where a value is left out. */
  readonly stretch: number;
  readonly low?: number;
  readonly high?: number;
  readonly label?: string;
}

/** Lengths of dashes and of gaps, in pixels. */
const dash = [6, 4];

const lineWidths = { thin: 1, normal: 2, thick: 2.5 } as const;

/** Rows of a series, with the number of points left out. */
function rowsOf(series: Series, chart: XYChart): { rows: Row[]; leftOut: number } {
  const rows: Row[] = [];
  let stretch = 0;
  for (const { x, y, error, label } of series.points) {
    if (!isDrawable(x, chart.x) || !isDrawable(y, chart.y)) {
      stretch++;
      continue;
    }
    const ends = errorEnds(y, error);
    const isShown = ends?.every((end) => isDrawable(end, chart.y));
    const bounds = ends && isShown ? { low: ends[0], high: ends[1] } : {};
    rows.push({ x, y, series: series.name, stretch, label, ...bounds });
  }
  return { rows, leftOut: series.points.length - rows.length };
}

/** Rows that a line does not show, because they have no neighbour in their stretch. */
function isolated(rows: readonly Row[]): Row[] {
  const sizes = new Map<number, number>();
  for (const { stretch } of rows) sizes.set(stretch, (sizes.get(stretch) ?? 0) + 1);
  return rows.filter(({ stretch }) => sizes.get(stretch) === 1);
}

/** One layer of a Vega-Lite specification. */
interface Layer {
  readonly data: { readonly values: readonly Row[] };
  readonly mark: {
    readonly type: "line" | "area" | "rule" | "circle" | "text";
    readonly [property: string]: unknown;
  };
  readonly encoding: Readonly<Record<string, unknown>>;
}

/** The layers of one series, the lowest first. */
function layersOf(series: Series, rows: readonly Row[], clip: boolean): Layer[] {
  const layers = [errorLayer(series, rows, clip), pointLayer(series, rows, clip), labelLayer(rows)];
  return series.mark === "points" ? layers : [lineLayer(series, rows, clip), ...layers];
}

function lineLayer(
  { weight = "normal", dashed }: Series,
  rows: readonly Row[],
  clip: boolean,
): Layer {
  return {
    data: { values: rows },
    mark: {
      type: "line",
      clip,
      strokeWidth: lineWidths[weight],
      strokeJoin: "round",
      strokeCap: "round",
      strokeDash: dashed ? dash : undefined,
    },
    encoding: { detail: { field: "stretch" } },
  };
}

/** Bars from the low to the high end of each point, or a band between the ends. */
function errorLayer({ errors = "bar" }: Series, rows: readonly Row[], clip: boolean): Layer {
  const ends = { y: { field: "low", type: "quantitative" }, y2: { field: "high" } };
  const isBand = errors === "band";
  return {
    data: { values: rows.filter(({ low }) => low !== undefined) },
    mark: isBand ? { type: "area", clip, opacity: 0.16 } : { type: "rule", clip, strokeWidth: 1.5 },
    encoding: isBand ? { ...ends, detail: { field: "stretch" } } : ends,
  };
}

function pointLayer({ mark, weight }: Series, rows: readonly Row[], clip: boolean): Layer {
  return {
    data: { values: mark === undefined || mark === "line" ? isolated(rows) : rows },
    mark: { type: "circle", clip, size: weight === "thin" ? 12 : 50, opacity: 1 },
    encoding: {},
  };
}

/** What is written beside points. */
function labelLayer(rows: readonly Row[]): Layer {
  return {
    data: { values: rows.filter(({ label }) => label !== undefined) },
    mark: { type: "text", align: "left", baseline: "top", dx: 6, dy: 5, fontSize: 11 },
    encoding: { text: { field: "label" }, color: { value: mutedColor } },
  };
}

/** Gives a layer the colour that its series has no entry of the legend for. */
function inColor({ data, mark, encoding }: Layer, color: string): Layer {
  return { data, mark, encoding: { color: { value: color }, ...encoding } };
}

/** The colour of a series by its place. */
function colorOf(series: readonly Series[], index: number): string {
  return series[index].color ?? paletteColor(index);
}

/** Colours of the listed series, and the legend that explains them. */
function colors(series: readonly Series[], width: number) {
  const listed = series.map((one, index) => ({ ...one, color: colorOf(series, index) }))
    .filter(({ unlisted }) => !unlisted);
  const names = listed.map(({ name }) => name);
  const areDots = listed.map(({ mark }) => mark === "points");
  const dashes = listed.map(({ dashed }) => dashed ? dash : [1, 0]);
  const symbol = {
    symbolType: { expr: `${JSON.stringify(areDots)}[datum.index] ? 'circle' : 'stroke'` },
    symbolSize: { expr: `${JSON.stringify(areDots)}[datum.index] ? 80 : 400` },
    symbolStrokeWidth: 3,
    symbolDash: { expr: `${JSON.stringify(dashes)}[datum.index]` },
  };
  return {
    field: "series",
    type: "nominal",
    scale: { domain: names, range: listed.map(({ color }) => color) },
    legend: listed.length < 2
      ? null
      : { ...symbol, symbolOpacity: 1, columns: legendColumns(names, width) },
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
  const hasLabels = rows.some(({ label }) => label !== undefined);
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
      y: {
        field: "y",
        type: "quantitative",
        ...scaleAndAxis(chart.y, heights, { tickCount: 5, padding: hasLabels ? 20 : undefined }),
      },
      color: colors(series, width),
    },
    layer: prepared.flatMap(({ one, rows }, index) => {
      const layers = layersOf(one, rows, clip);
      return one.unlisted ? layers.map((layer) => inColor(layer, colorOf(series, index))) : layers;
    }),
  } as TopLevelSpec;
}
