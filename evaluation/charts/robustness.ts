/**
 * Accuracy over changes of resolution or aspect ratio, as a difference from unchanged images.
 *
 * @module
 */
import type { Series, XYChart } from "../../formats/plots/chart.ts";
import type { RobustnessTable } from "../../metrics/robustness.ts";
import { intervalNote } from "./series.ts";

/** One chart a kind of change, one curve a model. */
export function robustnessCharts(tables: readonly RobustnessTable[]): XYChart[] {
  return [...Map.groupBy(tables, ({ shift }) => shift)].map(([shift, tables]) => ({
    kind: "xy",
    title: `Robustness: ${shift}`,
    subtitle: [
      // A single curve has no legend.
      ...(tables.length === 1 ? [nameOf(tables[0])] : []),
      `${intervalNote} of the difference on the same images`,
    ].join(" · "),
    x: { title: shift, scale: "log" },
    y: { title: "top-1 accuracy less that of the base (points)" },
    series: tables.map(robustnessSeries),
  }));
}

function nameOf({ name, base }: RobustnessTable): string {
  return `${name} (base ${base})`;
}

function robustnessSeries(table: RobustnessTable): Series {
  return {
    name: nameOf(table),
    mark: "line-points",
    points: table.rows.map(({ value, difference, differenceInterval }) => ({
      x: value,
      y: 100 * difference,
      error: differenceInterval && [
        100 * (difference - differenceInterval[0]),
        100 * (differenceInterval[1] - difference),
      ],
    })),
  };
}
