/**
 * A report as text: tables for a terminal, and CSV.
 *
 * @module
 */
import { oneLine } from "../../base/control_characters.ts";
import { machineLine } from "../../base/machine.ts";
import { alignedTable, type Column, constantColumns, csvTable } from "../../formats/text/table.ts";
import { settingColumns } from "./columns.ts";
import type { EvaluationReport } from "./report.ts";
import { reportNotes, reportTables } from "./tables.ts";

/** What was evaluated, one line a fact. */
export function reportFacts(report: EvaluationReport): [name: string, value: string][] {
  return [
    ["model", report.model],
    ["checkpoint", report.checkpoint],
    ["data", report.dataSet],
    ["device", report.device],
    ["machine", machineLine(report.machine)],
  ];
}

/** The report for a terminal, without the last line end. */
export function reportText(report: EvaluationReport): string {
  const facts = reportFacts(report).map(([name, value]) => `${name.padEnd(12)}${oneLine(value)}`);
  const tables = reportTables(report, alignedTable).map(({ title, table }) => `${title}\n${table}`);
  return [facts.join("\n"), ...tables, reportNotes(report).map(oneLine).join("\n")].join("\n\n");
}

/**
 * The settings as comma-separated values with every digit, without the last line end; each row says
 * what was evaluated where.
 */
export function reportCsv(report: EvaluationReport): string {
  const { model, dataSet, device, machine } = report;
  const about = Object.entries({ model, data: dataSet, device })
    .map(([title, value]): Column<unknown> => ({ title, value: () => value }));
  return csvTable([...settingColumns, ...about, ...constantColumns(machine)], report.settings);
}
