/**
 * A report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
 *
 * @module
 */
import { renderChart } from "../../formats/plots/chart.ts";
import { htmlTable } from "../../formats/text/table.ts";
import { escapeXml } from "../../formats/text/xml.ts";
import { reportCharts } from "./charts.ts";
import type { EvaluationReport } from "./report.ts";
import { reportNotes, reportTables } from "./tables.ts";
import { reportFacts } from "./text.ts";

const style = `
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2328; max-width: 1060px; margin: 32px auto;
  padding: 0 20px; }
h1 { font-size: 26px; } h2 { font-size: 18px; margin: 36px 0 8px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 20px; }
dt { color: #59636e; } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 24px 0; } figure svg { max-width: 100%; height: auto; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; white-space: nowrap; }
th, td { padding: 4px 8px; text-align: left; border-bottom: 1px solid #e8eaed; }
th { font-weight: 600; border-bottom-color: #8c959f; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
p { color: #59636e; margin: 4px 0; }
`;

/** The page. Charts are drawn one after the other: about a tenth of a second each. */
export async function reportPage(report: EvaluationReport): Promise<string> {
  const figures: string[] = [];
  for (const [index, chart] of reportCharts(report).entries()) {
    figures.push(`<figure>${withOwnNames(await renderChart(chart), index)}</figure>`);
  }
  const tables = reportTables(report, htmlTable).map(({ title, table }) =>
    `<h2>${escapeXml(title)}</h2>\n<div class="table">${table}</div>`
  );
  const [settings = "", ...others] = tables;
  const title = `${report.model} on ${report.dataSet}`;
  return page(title, [facts(report), settings, ...figures, ...others, notes(report)]);
}

/** Names inside a document of several charts: each chart of its own would start counting anew. */
function withOwnNames(svg: string, index: number): string {
  return svg.replaceAll(/(\bid="|url\(#)(?=\w)/g, `$1chart${index}-`);
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

function page(title: string, sections: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escapeXml(title)}</h1>
${sections.filter(Boolean).join("\n")}
</body>
</html>
`;
}
