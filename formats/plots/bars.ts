/**
 * Horizontal bars as a Vega-Lite specification: the bars, their error bars, and the value of each
 * written at its end.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import type { Bar, BarChart } from "./chart.ts";
import {
  chartPadding,
  defaultWidth,
  errorEnds,
  heading,
  isDrawable,
  legendColumns,
  noData,
  paletteColor,
  scaleAndAxis,
} from "./frame.ts";
import { inkColor, mutedColor, textWidth } from "./text.ts";

/** Heights in pixels: of one bar, and of the space between categories. */
const barHeight = 24;
const categoryGap = 12;

/** Widest name of a category, in pixels. */
const maximumName = 240;

/** Most decimals of a written value. */
const maximumDecimals = 12;

/** Decimals that show three digits of a number, or one of its error if that takes more. */
function decimalsOf(value: number, error: number): number {
  const ofValue = value === 0 ? 0 : 2 - Math.floor(Math.log10(Math.abs(value)));
  const ofError = error > 0 ? -Math.floor(Math.log10(error)) : 0;
  return Math.min(Math.max(ofValue, ofError, 0), maximumDecimals);
}

/** A value as it is written at the end of its bar, thousands separated. */
function formatValue({ value, error }: Bar): string {
  const [low, high] = errorEnds(value, error) ?? [value, value];
  const maximumFractionDigits = decimalsOf(value, (high - low) / 2);
  // Beside an error a value shows the digits that the error has.
  const minimumFractionDigits = error === undefined ? 0 : maximumFractionDigits;
  const format = (number: number) =>
    number.toLocaleString("en-US", { minimumFractionDigits, maximumFractionDigits })
      .replace("-", "−");
  if (error === undefined) return format(value);
  return typeof error === "number"
    ? `${format(value)} ± ${format(error)}`
    : `${format(value)} (${format(low)} to ${format(high)})`;
}

/** One bar in the form that Vega-Lite gets. */
function rowOf(bar: Bar) {
  const { category, group = "", value, error } = bar;
  const [low, high] = errorEnds(value, error) ?? [value, value];
  return { category, group, value, low, high, end: Math.max(high, 0), text: formatValue(bar) };
}

/** The layers: bars, error bars, values. */
function layersOf(bars: readonly Bar[]) {
  const withError = bars.filter(({ error }) => error !== undefined);
  const position = (field: string) => ({ field, type: "quantitative" } as const);
  const bar = {
    mark: { type: "bar", height: { band: 1 }, cornerRadiusEnd: 2 },
    encoding: { x: position("value") },
  } as const;
  const errors = {
    data: { values: withError.map(rowOf) },
    mark: { type: "rule", strokeWidth: 1.5 },
    encoding: { x: position("low"), x2: { field: "high" }, color: { value: inkColor } },
  } as const;
  const values = {
    mark: { type: "text", align: "left", baseline: "middle", dx: 6, fontSize: 12 },
    encoding: { x: position("end"), text: { field: "text" }, color: { value: mutedColor } },
  } as const;
  return [bar, errors, values];
}

/** First and last value of the axis: 0 is on it, and the values beside the bars have room. */
function valueDomain(bars: readonly Bar[], width: number): [number, number] {
  const nameWidth = Math.max(...bars.map(({ category }) => textWidth(category, { size: 12 })));
  const room = width - 2 * chartPadding - Math.min(nameWidth, maximumName) - 20;
  const rows = bars.map(rowOf);
  const ends = rows.map(({ end, text }) => {
    const share = (textWidth(text, { size: 12 }) + 12) / room;
    return end / (1 - Math.min(share, 0.5));
  });
  return [Math.min(0, ...rows.map(({ low }) => low)), Math.max(...ends) || 1];
}

/** The specification of a chart. */
export function barSpecification(chart: BarChart): TopLevelSpec {
  const bars = chart.bars
    .filter(({ value }) => isDrawable(value, chart.value))
    .map((bar) => ({ ...bar, error: errorEnds(bar.value, bar.error) && bar.error }));
  if (bars.length === 0) return noData(chart, 160, chart.bars.length);
  const categories = [...new Set(bars.map(({ category }) => category))];
  const groups = [...new Set(bars.map(({ group }) => group ?? ""))];
  const width = chart.width ?? defaultWidth;
  const domain = chart.value.domain ?? valueDomain(bars, width);
  const value = { ...chart.value, domain };
  const step = groups.length * barHeight + categoryGap;
  return {
    width,
    height: categories.length * step + 130,
    autosize: { type: "fit", contains: "padding" },
    title: heading(chart, chart.bars.length - bars.length),
    data: { values: bars.map(rowOf) },
    encoding: {
      x: { type: "quantitative", ...scaleAndAxis(value, domain, { tickCount: 7 }) },
      y: {
        field: "category",
        type: "nominal",
        scale: { domain: categories, paddingInner: categoryGap / step, paddingOuter: 0.1 },
        axis: {
          title: null,
          labelLimit: maximumName,
          grid: false,
        },
      },
      yOffset: {
        field: "group",
        type: "nominal",
        scale: { domain: groups, paddingInner: groups.length < 2 ? 0 : 0.08 },
      },
      color: {
        field: "group",
        type: "nominal",
        scale: { domain: groups, range: groups.map((_, index) => paletteColor(index)) },
        legend: groups.length < 2
          ? null
          : { symbolType: "square", columns: legendColumns(groups, width) },
      },
    },
    layer: layersOf(bars),
  } as TopLevelSpec;
}
