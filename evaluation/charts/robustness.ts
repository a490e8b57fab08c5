/**
 * Accuracy over changes of resolution or aspect ratio, as a difference from unchanged images.
 *
 * @module
 */
import type { Series, XYChart } from "../../formats/plots/chart.ts";
import type { RobustnessTable } from "../robustness.ts";

/** One chart a kind of change, one curve a model. */
export function robustnessCharts(tables: readonly RobustnessTable[]): XYChart[] {
  return [...Map.groupBy(tables, ({ shift }) => shift)].map(([shift, tables]) => ({
    kind: "xy",
    title: `Robustness: ${shift}`,
    subtitle: "bars: one standard error of the difference on the same images",
    x: { title: shift, scale: "log" },
    y: { title: "top-1 accuracy less that of the base (points)" },
    series: tables.map(robustnessSeries),
  }));
}

function robustnessSeries({ name, base, rows }: RobustnessTable): Series {
  return {
    name: `${name} (base ${base})`,
    mark: "line-points",
    points: rows.map(({ value, difference, differenceError }) => ({
      x: value,
      y: 100 * difference,
      error: 100 * differenceError,
    })),
  };
}
