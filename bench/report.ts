/**
 * Benchmark results as text: aligned table, Markdown, CSV, JSON, JSON lines.
 *
 * A report is a machine line, rows and notes. Rows are plain objects; JSON shows them whole, the
 * tables show the columns that were declared for them.
 *
 * @module
 */
import { type Machine, machineLine } from "./machine.ts";

/** Names of the formats. */
export const reportFormats = ["table", "md", "csv", "json", "jsonl"] as const;

/** One of the formats. */
export type ReportFormat = typeof reportFormats[number];

/** A value in a cell; undefined is an empty one. */
export type Cell = string | number | boolean | undefined;

/** One column of the tables. */
export interface Column<Row> {
  /** Heading, with the unit. */
  readonly title: string;
  /** The cell of a row. */
  value(row: Row): Cell;
  /** Digits after the decimal point in tables; CSV keeps every digit. Whole numbers without it. */
  readonly digits?: number;
}

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
  switch (format) {
    case "table":
      return around(report, alignedTable(textCells(report)));
    case "md":
      return around(report, markdownTable(textCells(report)));
    case "csv":
      return csvTable(report);
    case "json": {
      const { machine, rows, notes } = report;
      return JSON.stringify({ machine, rows, notes }, null, 2);
    }
    case "jsonl":
      return report.rows.map((row) => JSON.stringify({ ...row, machine: report.machine }))
        .join("\n");
  }
}

/** A table between machine line and notes. */
function around<Row>({ machine, notes }: Report<Row>, table: string): string {
  return [machineLine(machine), table, notes.join("\n")].filter(Boolean).join("\n\n");
}

/** Cells of a table as text, the headings in the first row. */
interface TextTable {
  readonly cells: readonly (readonly string[])[];
  /** Columns whose cells are numbers, written flush right. */
  readonly numeric: readonly boolean[];
}

function textCells<Row>({ columns, rows }: Report<Row>): TextTable {
  const values = rows.map((row) => columns.map((column) => column.value(row)));
  return {
    cells: [
      columns.map(({ title }) => title),
      ...values.map((line) => line.map((value, index) => formatCell(value, columns[index].digits))),
    ],
    numeric: columns.map((_, index) => {
      const known = values.map((line) => line[index]).filter((value) => value !== undefined);
      return known.length > 0 && known.every((value) => typeof value === "number");
    }),
  };
}

function formatCell(value: Cell, digits: number | undefined): string {
  if (value === undefined) return "-";
  if (typeof value !== "number") return String(value);
  return value.toLocaleString("en-US", {
    minimumFractionDigits: digits ?? 0,
    maximumFractionDigits: digits ?? 0,
  });
}

function alignedTable({ cells, numeric }: TextTable): string {
  const widths = numeric.map((_, index) => Math.max(...cells.map((line) => line[index].length)));
  const pad = (text: string, index: number): string =>
    numeric[index] ? text.padStart(widths[index]) : text.padEnd(widths[index]);
  return cells.map((line) => line.map(pad).join("  ").trimEnd()).join("\n");
}

function markdownTable({ cells, numeric }: TextTable): string {
  const line = (texts: readonly string[]): string => `| ${texts.join(" | ")} |`;
  const [headings, ...rows] = cells.map((texts) =>
    texts.map((text) => text.replaceAll("|", "\\|").replaceAll("\n", " "))
  );
  const rule = numeric.map((isNumber) => isNumber ? "---:" : "---");
  return [headings, rule, ...rows].map(line).join("\n");
}

/** CSV has no place for a machine line, so that every row names the machine. */
function csvTable<Row>({ machine, columns, rows }: Report<Row>): string {
  const about = Object.entries(machine);
  const lines = [
    [...columns.map(({ title }) => title), ...about.map(([name]) => name)],
    ...rows.map((row) => [
      ...columns.map((column) => column.value(row)),
      ...about.map(([, value]) => value as Cell),
    ]),
  ];
  return lines.map((line) => line.map(csvCell).join(",")).join("\r\n");
}

function csvCell(value: Cell): string {
  const text = value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
