/**
 * What the kinds of charts share: colours, the heading, axes, and which values can be drawn.
 *
 * @module
 */

import type { TopLevelSpec } from "vega-lite";
import type { Axis, Chart, ErrorReach } from "./chart.ts";
import { mutedColor, shortenText, textWidth } from "./text.ts";

/** Colours of series, told apart by colour-blind readers too (after Okabe and Ito). */
export const palette = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#b4568f",
  "#d98e04",
  "#4fa3d9",
  "#6b7280",
];

/** Width of a chart in pixels unless it says otherwise. */
export const defaultWidth = 900;

/** Space around a chart, in pixels. */
export const chartPadding = 20;

/** The colour of a series or group by its place. */
export function paletteColor(index: number): string {
  return palette[index % palette.length];
}

/** Widest name in a legend, and what an entry takes beside its name, in pixels. */
const legendName = 260;
const legendSymbol = 50;

/** How many entries of a legend fit side by side above a chart. */
export function legendColumns(names: readonly string[], width = defaultWidth): number {
  const widest = Math.max(...names.map((name) => textWidth(name, { size: 13 })));
  const entry = Math.min(widest, legendName) + legendSymbol;
  return Math.max(1, Math.floor((width - 2 * chartPadding) / entry));
}

/** Whether an axis has a place for a value. */
export function isDrawable(value: number, axis: Axis): boolean {
  return Number.isFinite(value) && (axis.scale !== "log" || value > 0);
}

/** The ends of the error bar of a value; undefined without one, or where an end has no number. */
export function errorEnds(
  value: number,
  error: ErrorReach | undefined,
): [low: number, high: number] | undefined {
  if (error === undefined) return undefined;
  const [below, above] = typeof error === "number" ? [error, error] : error;
  return Number.isFinite(below) && Number.isFinite(above)
    ? [value - below, value + above]
    : undefined;
}

/** The heading of a chart; says how many values were left out. */
export function heading(chart: Chart, leftOut: number) {
  const width = (chart.width ?? defaultWidth) - 2 * chartPadding;
  const values = leftOut === 1 ? "value" : "values";
  const note = leftOut > 0 ? `${leftOut} ${values} could not be drawn` : undefined;
  const subtitle = [chart.subtitle, note].filter(Boolean).join(" · ");
  return {
    text: shortenText(chart.title, width, { size: 18, bold: true }),
    subtitle: subtitle ? shortenText(subtitle, width, { size: 13 }) : undefined,
  };
}

/** Share of a logarithmic axis that is left free at each end. */
const logPadding = 0.04;

/** What a logarithmic axis shows: the values and a little more. */
function logDomain(values: readonly number[]): [number, number] {
  const [least, greatest] = extent(values);
  // A single value stands in the middle of a decade.
  const padding = greatest > least ? (greatest / least) ** logPadding : Math.sqrt(10);
  return [least / padding, greatest * padding];
}

/** Values that differ by less than this share of their size are one value: the rest is rounding. */
const flatness = 1e-9;

/** What a linear axis shows of a single value: half as much to both sides. Undefined for others. */
function flatDomain(values: readonly number[]): [number, number] | undefined {
  const [least, greatest] = extent(values);
  const size = Math.max(Math.abs(least), Math.abs(greatest));
  if (greatest - least > flatness * size) return undefined;
  const reach = size > 0 ? size / 2 : 1;
  return [least - reach, greatest + reach];
}

/** The least and the greatest value. */
function extent(values: readonly number[]): [number, number] {
  return values.reduce<[number, number]>(
    ([least, greatest], value) => [Math.min(least, value), Math.max(greatest, value)],
    [Infinity, -Infinity],
  );
}

/** Ticks at 1, 2, 5 or fewer a decade; undefined where a domain is too short for them. */
function decadeTicks([first, last]: readonly [number, number]): number[] | undefined {
  const exponents = [Math.floor(Math.log10(first)), Math.ceil(Math.log10(last))];
  for (const digits of [[1], [1, 3], [1, 2, 5]]) {
    const ticks: number[] = [];
    for (let exponent = exponents[0]; exponent <= exponents[1]; exponent++) {
      // Through text, so that 3e-7 is the number that prints as 3e-7.
      ticks.push(...digits.map((digit) => Number(`${digit}e${exponent}`)));
    }
    const shown = ticks.filter((tick) => tick >= first && tick <= last);
    if (shown.length >= 4) return shown;
  }
  return undefined;
}

/** Most distinct values, such as batch sizes, that an axis marks instead of round numbers. */
const maximumValueTicks = 10;

/** Whether values are few, short as numbers and far enough apart to be marks on a logarithmic axis. */
function areTicks(distinct: readonly number[]): boolean {
  if (distinct.length < 2 || distinct.length > maximumValueTicks) return false;
  const sorted = distinct.toSorted((a, b) => a - b);
  const range = Math.log(sorted[sorted.length - 1] / sorted[0]);
  return sorted.every((value, index) =>
    value === Number(value.toPrecision(4)) &&
    (index === 0 || Math.log(value / sorted[index - 1]) > 0.04 * range)
  );
}

/** Which ticks an axis should have. */
interface TickOptions {
  /** About how many, on a linear axis. */
  readonly tickCount: number;
  /** Marks the values themselves, if they are few and the axis is logarithmic. */
  readonly preferValues?: boolean;
  /** Pixels left free at both ends of a linear axis, for what is written beside points. */
  readonly padding?: number;
}

/**
 * The scale and the ticks of an axis.
 *
 * @param values everything it has to show, at least one value
 */
export function scaleAndAxis(
  axis: Axis,
  values: readonly number[],
  { tickCount, preferValues, padding }: TickOptions,
) {
  const isLog = axis.scale === "log";
  const given = axis.domain && [...axis.domain] as [number, number];
  const shown = axis.zero && !isLog ? [0, ...values] : values;
  const domain = given ?? (isLog ? logDomain(values) : flatDomain(shown));
  // Vega leaves most labels of a logarithmic axis empty, whatever its ticks.
  const label = isLog ? "format(datum.value, ',~r')" : "datum.label";
  const distinct = [...new Set(values)];
  const areFew = preferValues && isLog && areTicks(distinct);
  const ticks = !isLog || !domain ? undefined : areFew ? distinct : decadeTicks(domain);
  return {
    scale: {
      type: isLog ? "log" : "linear",
      zero: isLog ? undefined : axis.zero ?? false,
      nice: !domain,
      padding: domain ? undefined : padding,
      domain,
    },
    axis: {
      title: axis.title,
      // Vega would leave out every second of more values.
      tickCount: ticks ? undefined : tickCount,
      tickMinStep: axis.integer ? 1 : undefined,
      values: ticks,
      labelExpr: `abs(datum.value) >= 1e6 ? format(datum.value, '~s') : ${label}`,
      labelOverlap: "greedy",
      labelFlush: false,
    },
  } as const;
}

/** The specification of a chart that has nothing to show, and says so. */
export function noData(chart: Chart, height: number, leftOut: number): TopLevelSpec {
  return {
    width: chart.width ?? defaultWidth,
    height,
    autosize: { type: "fit", contains: "padding" },
    title: heading(chart, leftOut),
    data: { values: [{}] },
    mark: { type: "text", text: "no data", fontSize: 14, color: mutedColor },
  };
}
