/**
 * Benchmark results as text: aligned table, Markdown, CSV, JSON, JSON lines.
 *
 * A report is a machine line, rows and notes. Rows are plain objects; JSON shows them whole, the
 * tables show the columns that were declared for them.
 *
 * @module
 */
import { type Machine, machineLine } from "../../base/machine.ts";
import {
  alignedTable,
  type Column,
  constantColumns,
  csvTable,
  markdownTable,
} from "../../formats/text/table.ts";

/** Names of the formats. */
const reportFormats = ["table", "md", "csv", "json", "jsonl"] as const;

/** One of the formats. */
export type ReportFormat = typeof reportFormats[number];

/** Everything that one benchmark has to say. */
export interface Report<Row> {
  /** Where it was measured. */
  readonly machine: Machine;
  /** What the tables show. */
  readonly columns: readonly Column<Row>[];
  /** The results. */
  readonly rows: readonly Row[];
  /** Sentences below the tables: conventions, what was left out. */
  readonly notes: readonly string[];
}

/** A report in a format, without the last line end. */
export function renderReport<Row>(report: Report<Row>, format: ReportFormat): string {
  const { columns, rows } = report;
  switch (format) {
    case "table":
      return around(report, alignedTable(columns, rows));
    case "md":
      return around(report, markdownTable(columns, rows));
    case "csv":
      // CSV has no place for a machine line, so that every row names the machine.
      return csvTable([...columns, ...constantColumns(report.machine)], rows);
    case "json": {
      const { machine, notes } = report;
      return JSON.stringify({ machine, rows, notes }, null, 2);
    }
    case "jsonl":
      return rows.map((row) => JSON.stringify({ ...row, machine: report.machine })).join("\n");
  }
}

/** A table between machine line and notes. */
function around<Row>({ machine, notes }: Report<Row>, table: string): string {
  return [machineLine(machine), table, notes.join("\n")].filter(Boolean).join("\n\n");
}
