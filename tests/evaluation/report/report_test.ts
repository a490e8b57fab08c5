import assert from "node:assert/strict";
import { reportPage } from "../../../evaluation/report/page.ts";
import { type EvaluationReport, reportJson } from "../../../evaluation/report/report.ts";
import { reportCsv, reportText } from "../../../evaluation/report/text.ts";
import { exampleReport } from "./example.ts";

const report = exampleReport();

/** A report with nothing but settings. */
function plainReport(): EvaluationReport {
  const { machine, device, model, checkpoint, dataSet, protocol, settings } = report;
  return { machine, device, model, checkpoint, dataSet, protocol, settings };
}

Deno.test("json holds everything", () => {
  assert.deepEqual(JSON.parse(reportJson(report)), JSON.parse(JSON.stringify(report)));
});

Deno.test("text: what was evaluated, tables, how", () => {
  const text = reportText(report);
  const lines = text.split("\n");
  assert.equal(lines[0], "model       NaViT-XS/4");
  assert.match(lines[4], /^machine {5}Test CPU, 3 GHz, 2 cores, /);
  const titles = [
    "Settings",
    "Cascades on their Pareto front",
    "Linear probe",
    "Robustness of NaViT, base 1",
    "Classes, 0002000, 128 tokens",
  ];
  for (const title of titles) assert.ok(lines.includes(title), title);
  const { top1 } = report.settings[0];
  const row = lines[lines.indexOf("Settings") + 2];
  assert.ok(row.startsWith("0002000     16 tokens   tokens    15.6"));
  assert.ok(row.includes((100 * top1).toFixed(2)));
  assert.match(text, /\n0002000, 128 tokens {5}10 {8}7 {2}400 {2}0 1 {8}75\.00 {4}7\.07\n/);
  assert.ok(lines.includes("Times are medians of 5."));
  assert.ok(lines.every((line) => line === line.trimEnd()));
});

Deno.test("text: what was not measured is not there", () => {
  const text = reportText(plainReport());
  assert.ok(!/Cascades|probe|Robustness|Classes|Calibration of/.test(text));
  assert.match(text, /\nSettings\n/);
});

Deno.test("csv: a row a setting, each with every digit and what it belongs to", () => {
  const [heading, first, ...rest] = reportCsv(report).split("\r\n");
  assert.equal(rest.length, report.settings.length - 1);
  assert.ok(heading.startsWith("checkpoint,setting,kind,tokens,MACs (M),ms/image,images/s,"));
  assert.ok(
    heading.endsWith(",fill (%),model,data,device,cpu,cores,system,deno,v8,tessera,commit"),
  );
  assert.ok(first.includes(`,${report.settings[0].milliseconds},`));
  assert.ok(first.includes(',NaViT-XS/4,"drawn, test, 400 images, 7 classes",'));
});

Deno.test("html: one page of its own with all charts and tables, names escaped", async () => {
  const page = await reportPage(report);
  const count = (text: string) => page.split(text).length - 1;
  assert.deepEqual([count("<svg "), count("<table>")], [6, 9]);
  // The name of a namespace is the only address.
  assert.deepEqual([...new Set(page.match(/https?:[^"]*/g))], [
    "http://www.w3.org/2000/svg",
    "http://www.w3.org/1999/xlink",
  ]);
  assert.ok(!/<script|<link|<img|<shirt>|NaN|undefined|@import/.test(page));
  assert.ok(page.includes("<td>&lt;shirt&gt; &amp; co</td>"));
});

Deno.test("html: no two elements have the same name, and every name used is there", async () => {
  const page = await reportPage(report);
  const names = [...page.matchAll(/\bid="([^"]*)"/g)].map(([, name]) => name);
  assert.ok(names.length > 0);
  assert.equal(new Set(names).size, names.length);
  for (const [, name] of page.matchAll(/url\(#([^)]*)\)/g)) assert.ok(names.includes(name), name);
});

Deno.test("html: a plain report is two charts and a table, and the same each time", async () => {
  const page = await reportPage(plainReport());
  assert.equal(page.split("<svg ").length - 1, 2);
  assert.equal(page.split("<table>").length - 1, 1);
  assert.equal(await reportPage(plainReport()), page);
});

Deno.test("text: control characters of names and paths never reach the terminal", () => {
  const text = reportText({
    ...report,
    checkpoint: "runs/\u001b[2Ja\nb",
    dataSet: "\u009bset\u007f",
  });
  assert.ok(!/[^\P{Cc}\n]/u.test(text), "a control character");
  assert.match(text, /runs\/\\u001b\[2Ja b/);
});
