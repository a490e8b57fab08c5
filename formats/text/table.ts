/**
 * Tables as text: aligned for a terminal, Markdown, CSV, HTML.
 *
 * Rows are plain objects; a column says how its cell is read from a row and how many digits it shows.
 *
 * @module
 */
import { escapeControls, oneLine } from "../../base/control_characters.ts";
import { escapeXml } from "./xml.ts";

/** A value in a cell; undefined is an empty one. */
export type Cell = string | number | boolean | undefined;

/** One column of a table. */
export interface Column<Row> {
  /** Heading, with the unit. */
  readonly title: string;
  /** The cell of a row. */
  value(row: Row): Cell;
  /** Digits after the decimal point in tables; CSV keeps every digit. Whole numbers without it. */
  readonly digits?: number;
}

/** Columns that hold the same in every row: for CSV, which has no place for a line of its own. */
export function constantColumns(record: object): Column<unknown>[] {
  return Object.entries(record).map(([title, value]) => ({ title, value: () => value }));
}

/** Cells of a table as text. */
interface TextTable {
  readonly headings: readonly string[];
  readonly lines: readonly (readonly string[])[];
  /** Columns whose cells are numbers, written flush right. */
  readonly numeric: readonly boolean[];
}

function textTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): TextTable {
  const values = rows.map((row) => columns.map((column) => column.value(row)));
  return {
    headings: columns.map(({ title }) => title),
    lines: values.map((line) =>
      line.map((value, index) => formatCell(value, columns[index].digits))
    ),
    numeric: columns.map((_, index) => {
      const known = values.map((line) => line[index]).filter((value) => value !== undefined);
      return known.length > 0 && known.every((value) => typeof value === "number");
    }),
  };
}

function formatCell(value: Cell, digits: number | undefined): string {
  if (value === undefined) return "-";
  if (typeof value !== "number") return oneLine(String(value));
  return value.toLocaleString("en-US", {
    minimumFractionDigits: digits ?? 0,
    maximumFractionDigits: digits ?? 0,
  });
}

/** Characters of a cell that a terminal shows: a class may have a name of any length. */
const widestCell = 48;

const shortened = (text: string): string =>
  text.length > widestCell ? `${text.slice(0, widestCell - 3)}...` : text;

/** A table for a terminal: columns aligned, numbers flush right, long names cut. */
export function alignedTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const { headings, lines, numeric } = textTable(columns, rows);
  const all = [headings, ...lines.map((line) => line.map(shortened))];
  const widths = numeric.map((_, index) => Math.max(...all.map((line) => line[index].length)));
  const pad = (text: string, index: number): string =>
    numeric[index] ? text.padStart(widths[index]) : text.padEnd(widths[index]);
  return all.map((line) => line.map(pad).join("  ").trimEnd()).join("\n");
}

/** A table in Markdown. */
export function markdownTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const { headings, lines, numeric } = textTable(columns, rows);
  const line = (texts: readonly string[]): string => `| ${texts.join(" | ")} |`;
  const escape = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const rule = numeric.map((isNumber) => isNumber ? "---:" : "---");
  return [headings.map(escape), rule, ...lines.map((texts) => texts.map(escape))]
    .map(line).join("\n");
}

/** A table as comma-separated values (RFC 4180), without the last line end. */
export function csvTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map((column) => column.value(row))),
  ];
  return lines.map((line) => line.map(csvCell).join(",")).join("\r\n");
}

function csvCell(value: Cell): string {
  const text = value === undefined ? "" : escapeControls(String(value));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A table as an HTML element; numbers have the class `number`. */
export function htmlTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const { headings, lines, numeric } = textTable(columns, rows);
  const row = (element: "th" | "td", texts: readonly string[]): string => {
    const cells = texts.map((text, index) =>
      `<${element}${numeric[index] ? ' class="number"' : ""}>${escapeXml(text)}</${element}>`
    );
    return `<tr>${cells.join("")}</tr>`;
  };
  const body = lines.map((texts) => row("td", texts)).join("\n");
  return `<table>\n<thead>${row("th", headings)}</thead>\n<tbody>\n${body}\n</tbody>\n</table>`;
}
