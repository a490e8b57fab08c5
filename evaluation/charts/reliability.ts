/**
 * The reliability diagram: accuracy against confidence. A calibrated model is on the diagonal, one
 * that is too sure of itself below it.
 *
 * @module
 */
import type { Series, XYChart } from "../../formats/plots/chart.ts";
import type { CalibrationTable } from "../report/report.ts";
import { accuracyPoint } from "./series.ts";

const percentDomain = [0, 100] as const;

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
    subtitle: "ECE: expected calibration error · bars: one standard error",
    width: 700,
    height: 700,
    x: { title: "mean confidence in the bucket (%)", domain: percentDomain },
    y: { title: "accuracy in the bucket (%)", domain: percentDomain },
    series: [diagonal, ...tables.map(reliabilitySeries)],
  };
}

function reliabilitySeries({ name, error, buckets }: CalibrationTable): Series {
  return {
    name: `${name} (ECE ${error.toFixed(3)})`,
    mark: "line-points",
    points: buckets.flatMap(({ images, confidence, accuracy }) =>
      confidence === undefined || accuracy === undefined
        ? []
        : [accuracyPoint(100 * confidence, accuracy, images)]
    ),
  };
}
