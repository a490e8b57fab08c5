/**
 * A report as one HTML page.
 *
 * @module
 */
import { chartFigures, htmlPage } from "../../formats/plots/page.ts";
import { htmlTable } from "../../formats/text/table.ts";
import { escapeXml } from "../../formats/text/xml.ts";
import { reportCharts } from "./charts.ts";
import type { EvaluationReport } from "./report.ts";
import { reportNotes, reportTables } from "./tables.ts";
import { reportFacts } from "./text.ts";

/** The page. */
export async function reportPage(report: EvaluationReport): Promise<string> {
  const figures = await chartFigures(reportCharts(report));
  const tables = reportTables(report, htmlTable).map(({ title, table }) =>
    `<h2>${escapeXml(title)}</h2>\n<div class="table">${table}</div>`
  );
  const [settings = "", ...others] = tables;
  const title = `${report.model} on ${report.dataSet}`;
  return htmlPage(title, [facts(report), settings, ...figures, ...others, notes(report)]);
}

function facts(report: EvaluationReport): string {
  const items = reportFacts(report)
    .map(([name, value]) => `<dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}</dd>`);
  return `<dl>${items.join("\n")}</dl>`;
}

function notes(report: EvaluationReport): string {
  const items = reportNotes(report).map((note) => `<p>${escapeXml(note)}</p>`);
  return `<h2>How it was measured</h2>\n${items.join("\n")}`;
}
