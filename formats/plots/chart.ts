/**
 * Charts from plain data: lines and points over two axes, linear or logarithmic, and horizontal
 * bars. A chart is a description (JSON-like data); `renderChart` of `render.ts` turns it into an SVG
 * document and `svgToPng` of `bitmap.ts` that into a PNG file.
 *
 * Values that cannot be placed (NaN, infinite, not positive on a logarithmic axis) are left out: the
 * line breaks there, and the chart says how many there were.
 *
 * @module
 */

/** One axis. */
export interface Axis {
  /** What is shown, with its unit: "throughput (images/s)". */
  readonly title: string;
  /** `linear` if not given. */
  readonly scale?: "linear" | "log";
  /** First and last value; by default what the data need. */
  readonly domain?: readonly [number, number];
  /** Whether a linear axis shows 0 even if the data do not need it. */
  readonly zero?: boolean;
  /** Keeps fractions off the axis: steps, pictures. */
  readonly integer?: boolean;
}

/** How far an error reaches: to both sides alike, or below and above the value. */
export type ErrorReach = number | readonly [below: number, above: number];

/** A measured point. */
export interface Point {
  /** Place along the horizontal axis. */
  readonly x: number;
  /** Place along the vertical axis. */
  readonly y: number;
  /** The error bar, or the band around the line. */
  readonly error?: ErrorReach;
  /** Written beside the point. */
  readonly label?: string;
}

/** Points that belong together. */
export interface Series {
  /** The entry of the legend. */
  readonly name: string;
  /** In the order they are joined. */
  readonly points: readonly Point[];
  /** `line` if not given; `line-points` marks each point on the line. */
  readonly mark?: "line" | "points" | "line-points";
  /** `thin` for what stands behind, such as raw measurements; `normal` if not given. */
  readonly weight?: "thin" | "normal" | "thick";
  /** CSS colour; by default the next one of {@link palette}. */
  readonly color?: string;
  /** Draws the line dashed. */
  readonly dashed?: boolean;
  /** How errors are drawn: a `bar` at each point if not given, or one `band` along the line. */
  readonly errors?: "bar" | "band";
  /** Leaves the series out of the legend: it belongs to another one of the same colour. */
  readonly unlisted?: boolean;
}

/** What all charts have. */
export interface ChartFrame {
  /** A line above everything. */
  readonly title: string;
  /** A second, lighter line: the machine, the settings. */
  readonly subtitle?: string;
  /** Pixels; 900 if not given. */
  readonly width?: number;
}

/** Lines and points over two axes. */
export interface XYChart extends ChartFrame {
  /** Tells the kinds of charts apart. */
  readonly kind: "xy";
  /** Pixels; 500 if not given. */
  readonly height?: number;
  /** The horizontal axis. */
  readonly x: Axis;
  /** The vertical axis. */
  readonly y: Axis;
  /** Drawn in order, so that the last one is on top. */
  readonly series: readonly Series[];
}

/** One bar. */
export interface Bar {
  /** Where it stands; bars of one category stand together. */
  readonly category: string;
  /** Its colour and entry of the legend, where categories have several bars. */
  readonly group?: string;
  /** Its length. */
  readonly value: number;
  /** The error bar. */
  readonly error?: ErrorReach;
}

/** Horizontal bars, in the order given; as high as they need. */
export interface BarChart extends ChartFrame {
  /** Tells the kinds of charts apart. */
  readonly kind: "bar";
  /** The axis of values: linear, from 0. */
  readonly value: Pick<Axis, "title" | "domain">;
  /** From the top down. */
  readonly bars: readonly Bar[];
}

/** A chart as data. */
export type Chart = XYChart | BarChart;
