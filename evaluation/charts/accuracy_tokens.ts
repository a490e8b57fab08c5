/**
 * Accuracy against tokens an image: what resolution buys.
 *
 * @module
 */
import type { XYChart } from "../../formats/plots/chart.ts";
import type { SettingRow } from "../report/report.ts";
import { accuracyAxis, accuracyPoint, intervalNote, settingSeries } from "./series.ts";

/** The chart, one line a checkpoint and kind of setting. */
export function accuracyTokensChart(settings: readonly SettingRow[]): XYChart {
  return {
    kind: "xy",
    title: "Accuracy against tokens",
    subtitle: intervalNote,
    x: { title: "mean tokens an image", scale: "log" },
    y: accuracyAxis,
    series: settingSeries(
      settings,
      ({ tokens, top1, images }) => accuracyPoint(tokens, top1, images),
      "line-points",
    ),
  };
}
