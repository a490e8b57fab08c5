/**
 * How near drawn pictures are to real ones against what drawing them takes.
 *
 * @module
 */
import type { Point, XYChart } from "../../formats/plots/chart.ts";
import { paletteColor } from "../../formats/plots/frame.ts";

/** A sampler at several numbers of evaluations. */
export interface SamplerCosts {
  /** The entry of the legend. */
  readonly name: string;
  /** Evaluations of the network (x) and the distance (y, above 0). */
  readonly points: readonly Point[];
}

/**
 * The chart, both axes logarithmic.
 *
 * @param measure what the distance is called @param subtitle number of pictures, guidance
 */
export function samplerCostChart(
  samplers: readonly SamplerCosts[],
  measure: string,
  subtitle: string,
): XYChart {
  return {
    kind: "xy",
    title: "Samplers",
    subtitle,
    x: { title: "evaluations of the network", scale: "log" },
    y: { title: measure, scale: "log" },
    series: samplers.map(({ name, points }, index) => ({
      name,
      color: paletteColor(index),
      mark: "line-points",
      points: points.toSorted((a, b) => a.x - b.x),
    })),
  };
}
