/**
 * Charts and tables as one HTML page that needs nothing else: no script, no font, no picture from
 * elsewhere.
 *
 * @module
 */

import { escapeXml } from "../text/xml.ts";
import type { Chart } from "./chart.ts";
import { renderChart } from "./render.ts";

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

/** Charts as figures, drawn one after the other: about a tenth of a second each. */
export async function chartFigures(charts: readonly Chart[]): Promise<string[]> {
  const figures: string[] = [];
  for (const [index, chart] of charts.entries()) {
    figures.push(`<figure>${withOwnNames(await renderChart(chart), index)}</figure>`);
  }
  return figures;
}

/** Names inside a document of several charts: each chart of its own would start counting anew. */
function withOwnNames(svg: string, index: number): string {
  return svg.replaceAll(/(\bid="|url\(#)(?=\w)/g, `$1chart${index}-`);
}

/** The page. Sections are HTML; those that are empty are left out. */
export function htmlPage(title: string, sections: readonly string[]): string {
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
