/**
 * Accuracy against what an image costs: single settings, the cascades between them, and the Pareto
 * front over both.
 *
 * @module
 */
import type { Point, Series, XYChart } from "../../formats/plots/chart.ts";
import type { Cascade } from "../../metrics/cascade.ts";
import { type CostedAccuracy, paretoFront } from "../../metrics/pareto.ts";
import type { CascadeTable, CostKind, SettingRow } from "../report/report.ts";
import { accuracyAxis, settingSeries } from "./series.ts";

const frontColor = "#009e73";
const cascadeColor = "#c3c8cf";

/** Colours of single settings: those of the palette that differ from the front's. */
const singleColors = ["#0072b2", "#d55e00", "#b4568f", "#d98e04"];

/** What costs are called on an axis, and what they are divided by. */
const units: Readonly<Record<CostKind, { readonly title: string; readonly divisor: number }>> = {
  milliseconds: { title: "measured ms an image", divisor: 1 },
  multiplyAdds: { title: "million multiply-adds an image", divisor: 1e6 },
};

/** The chart. Without cascades, costs are multiply-adds. */
export function accuracyCostChart(
  settings: readonly SettingRow[],
  table: CascadeTable = { cost: "multiplyAdds", cascades: [] },
): XYChart {
  const { title, divisor } = units[table.cost];
  const place = ({ cost, accuracy }: CostedAccuracy): Point => ({
    x: cost / divisor,
    y: 100 * accuracy,
  });
  const costOf = (row: SettingRow) => ({ cost: row[table.cost], accuracy: row.top1 });
  const cascaded = table.cascades.flatMap(({ points }) => points);
  const front: Series = {
    name: table.cascades.length > 0 ? "Pareto front with cascades" : "Pareto front",
    color: frontColor,
    weight: "thick",
    points: paretoFront([...settings.map(costOf), ...cascaded]).map(place),
  };
  const singles = settingSeries(
    settings,
    (row) => ({ ...place(costOf(row)), label: row.setting }),
    "points",
  );
  return {
    kind: "xy",
    title: "Accuracy against cost",
    x: { title, scale: "log" },
    y: accuracyAxis,
    series: [
      ...table.cascades.map((one, index) => cascadeSeries(one, index, place)),
      front,
      ...singles.map((one, index) => ({
        ...one,
        color: singleColors[index % singleColors.length],
      })),
    ],
  };
}

/** All cascades have one colour and one entry of the legend. */
function cascadeSeries(
  { points }: Cascade,
  index: number,
  place: (point: CostedAccuracy) => Point,
): Series {
  return {
    name: "cascades",
    color: cascadeColor,
    weight: "thin",
    unlisted: index > 0,
    points: points.map(place),
  };
}
