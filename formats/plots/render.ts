/**
 * From a chart to a picture.
 *
 * @module
 */
import { barSpecification } from "./bars.ts";
import type { Chart } from "./chart.ts";
import { renderVegaLite } from "./vega.ts";
import { xySpecification } from "./xy.ts";

/**
 * Renders a chart to an SVG document that needs no fonts.
 *
 * @example
 * ```ts
 * import { renderChart } from "./render.ts";
 *
 * const svg = await renderChart({
 *   kind: "xy",
 *   title: "Throughput",
 *   x: { title: "batch size", scale: "log" },
 *   y: { title: "images/s", zero: true },
 *   series: [{ name: "wasm", points: [{ x: 1, y: 90 }, { x: 8, y: 160 }, { x: 64, y: 170 }] }],
 * });
 * ```
 */
export async function renderChart(chart: Chart): Promise<string> {
  const specification = chart.kind === "xy" ? xySpecification(chart) : barSpecification(chart);
  return await renderVegaLite(specification);
}
