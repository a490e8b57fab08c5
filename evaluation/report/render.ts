/**
 * The report of an evaluation in any of its formats.
 *
 * @module
 */
import { type EvaluationReport, reportJson } from "./report.ts";
import { reportCsv, reportText } from "./text.ts";

/** Endings of files that a report can be written to. */
export type EvaluationFormat = "txt" | "csv" | "json" | "html";

/** A report as text in a format. What draws charts is loaded for HTML only. */
export async function renderEvaluation(
  report: EvaluationReport,
  format: EvaluationFormat,
): Promise<string> {
  switch (format) {
    case "txt":
      return reportText(report);
    case "csv":
      return reportCsv(report);
    case "json":
      return reportJson(report);
    case "html": {
      const { reportPage } = await import("./page.ts");
      return await reportPage(report);
    }
  }
}
