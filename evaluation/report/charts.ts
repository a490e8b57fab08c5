/**
 * The charts of a report, in the order in which they are read.
 *
 * @module
 */
import type { Chart } from "../../formats/plots/chart.ts";
import { accuracyCostChart } from "../charts/accuracy_cost.ts";
import { accuracyTokensChart } from "../charts/accuracy_tokens.ts";
import { classChart } from "../charts/class_bars.ts";
import { reliabilityChart } from "../charts/reliability.ts";
import { robustnessCharts } from "../charts/robustness.ts";
import type { EvaluationReport } from "./report.ts";

/** Every chart that the report has data for. */
export function reportCharts(report: EvaluationReport): Chart[] {
  const { settings, cascades, robustness = [], calibration = [], classes } = report;
  return [
    accuracyTokensChart(settings),
    accuracyCostChart(settings, cascades),
    ...robustnessCharts(robustness),
    ...(calibration.length > 0 ? [reliabilityChart(calibration)] : []),
    ...(classes ? [classChart(classes)] : []),
  ];
}
