/**
 * The reliability diagram: accuracy against confidence, with the expected calibration error (ECE). A calibrated model is on the diagonal, one
 * that is too sure of itself below it.
 *
 * @module
 */
import type { Series, XYChart } from "../../formats/plots/chart.ts";
import { paletteColor } from "../../formats/plots/frame.ts";
import type { CalibrationTable } from "../report/report.ts";
import { accuracyPoint, intervalNote } from "./series.ts";

/** Buckets of fewer images say nothing about accuracy. */
const leastImages = 10;

/** 0 to 100 %, and a little more so that points at the ends are whole. */
const percentDomain = [-2, 102] as const;

/** The chart, one curve a table. */
export function reliabilityChart(tables: readonly CalibrationTable[]): XYChart {
  const diagonal: Series = {
    name: "calibrated",
    color: "#8c959f",
    dashed: true,
    points: [{ x: 0, y: 0 }, { x: 100, y: 100 }],
  };
  return {
    kind: "xy",
    title: "Reliability",
    subtitle: `${intervalNote} · buckets of at least ${leastImages} images`,
    width: 700,
    height: 700,
    x: { title: "mean confidence in the bucket (%)", domain: percentDomain },
    y: { title: "accuracy in the bucket (%)", domain: percentDomain },
    series: [diagonal, ...tables.map(reliabilitySeries)],
  };
}

function reliabilitySeries({ name, error, buckets }: CalibrationTable, index: number): Series {
  return {
    name: `${name} (ECE ${error.toFixed(3)})`,
    color: paletteColor(index),
    mark: "line-points",
    points: buckets.flatMap(({ images, confidence, accuracy }) =>
      images < leastImages || confidence === undefined || accuracy === undefined
        ? []
        : [accuracyPoint(100 * confidence, accuracy, images)]
    ),
  };
}
