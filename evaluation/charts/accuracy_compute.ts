/**
 * Accuracy against training compute for several kinds of runs, each with some seeds: a point a
 * measurement, a line through the means, a band of one standard deviation.
 *
 * @module
 */
import { paletteColor } from "../../formats/plots/frame.ts";
import type { Point, Series, XYChart } from "../../formats/plots/chart.ts";
import { summarize } from "../../base/statistics.ts";
import { accuracyAxis } from "./series.ts";

/** Accuracy at one point of a training run. */
export interface ComputeRecord {
  /** What training took up to here, above 0, in the chart's unit. */
  readonly compute: number;
  /** Top-1 accuracy, 0 to 1. */
  readonly accuracy: number;
}

/** Runs that differ in their seed only. */
export interface ComputeRuns {
  /** The entry of the legend. */
  readonly name: string;
  /** One list a seed, in the order of compute. */
  readonly seeds: readonly (readonly ComputeRecord[])[];
}

/** How the chart looks. */
export interface ComputeChartOptions {
  /** "Accuracy against training compute" if not given. */
  readonly title?: string;
  /** A second, lighter line: the model, the data. */
  readonly subtitle?: string;
  /** Name of the compute on its axis with its unit: "training multiply-adds (10^12)". */
  readonly compute: string;
}

/**
 * The chart. Means are drawn where every seed of a run was measured.
 *
 * @example
 * ```ts
 * import { renderChart } from "../../formats/plots/render.ts";
 * import { accuracyComputeChart } from "./accuracy_compute.ts";
 *
 * const seed = (accuracy: number) => [{ compute: 1, accuracy }, { compute: 2, accuracy: 0.8 }];
 * const runs = [{ name: "NaViT", seeds: [seed(0.5), seed(0.55)] }];
 * const svg = await renderChart(accuracyComputeChart(runs, { compute: "core hours" }));
 * ```
 */
export function accuracyComputeChart(
  runs: readonly ComputeRuns[],
  { title = "Accuracy against training compute", subtitle, compute }: ComputeChartOptions,
): XYChart {
  const hasSeeds = runs.some(({ seeds }) => seeds.length > 1);
  const note = hasSeeds ? "points: seeds · line and band: mean and standard deviation" : undefined;
  return {
    kind: "xy",
    title,
    subtitle: [subtitle, note].filter(Boolean).join(" · ") || undefined,
    x: { title: compute, scale: "log" },
    y: accuracyAxis,
    series: runs.flatMap((run, index) => runSeries(run, paletteColor(index))),
  };
}

/** The line of a run, and the points of its seeds where there are several. */
function runSeries({ name, seeds }: ComputeRuns, color: string): Series[] {
  if (seeds.length < 2) {
    const points = seeds.flat().map(toPoint);
    return [{ name, color, mark: "line-points", points }];
  }
  const points = seeds.flat().map(toPoint);
  return [
    { name, color, weight: "thick", errors: "band", points: meanPoints(seeds) },
    { name, color, mark: "points", weight: "thin", unlisted: true, points },
  ];
}

function toPoint({ compute, accuracy }: ComputeRecord): Point {
  return { x: compute, y: 100 * accuracy };
}

/** Means over the seeds, with their standard deviation, where all seeds were measured. */
function meanPoints(seeds: ComputeRuns["seeds"]): Point[] {
  const atCompute = Map.groupBy(seeds.flat(), ({ compute }) => compute);
  return [...atCompute]
    .filter(([, records]) => records.length === seeds.length)
    .sort(([a], [b]) => a - b)
    .map(([compute, records]) => {
      const { mean, deviation } = summarize(records.map(({ accuracy }) => accuracy));
      return { x: compute, y: 100 * mean, error: 100 * deviation };
    });
}
