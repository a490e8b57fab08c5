import { type EvaluationReport, reportJson } from "./report.ts";
export function renderEvaluation(report: EvaluationReport, _format: string): Promise<string> {
  return Promise.resolve(reportJson(report));
}
