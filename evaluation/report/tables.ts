/**
 * The tables of a report, in the order in which they are read, for any way of rendering one.
 *
 * @module
 */
import type { Column } from "../../formats/text/table.ts";
import { paretoFront } from "../../metrics/pareto.ts";
import {
  bucketColumns,
  cascadeColumns,
  classColumns,
  probeColumns,
  robustnessColumns,
  settingColumns,
} from "./columns.ts";
import type { CascadeTable, EvaluationReport } from "./report.ts";

/** A way to render a table, such as `alignedTable` or `htmlTable`. */
export type RenderTable = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]) => string;

/** A rendered table. */
export interface ReportTable {
  /** What it shows. */
  readonly title: string;
  /** The table. */
  readonly table: string;
}

/** Renders every table that a report has rows for. */
export function reportTables(report: EvaluationReport, render: RenderTable): ReportTable[] {
  const { settings, cascades, probes = [], robustness = [], classes, calibration = [] } = report;
  const tables: ReportTable[] = [];
  const add = <Row>(title: string, columns: readonly Column<Row>[], rows: readonly Row[]) => {
    if (rows.length > 0) tables.push({ title, table: render(columns, rows) });
  };
  add("Settings", settingColumns, settings);
  if (cascades) {
    add("Cascades on their Pareto front", cascadeColumns(cascades.cost), bestCascades(cascades));
  }
  add("Linear probe", probeColumns, probes);
  for (const table of robustness) {
    const { name, base, rows } = table;
    add(`Robustness of ${name}, base ${base}`, robustnessColumns(table), rows);
  }
  if (classes) add(`Classes, ${classes.name}`, classColumns, classes.rows);
  for (const { name, error, buckets } of calibration) {
    const filled = buckets.filter(({ images }) => images > 0);
    add(`Calibration of ${name}, ECE ${error.toFixed(4)}`, bucketColumns, filled);
  }
  return tables;
}

/** Of all cascades the points that no other one beats. */
function bestCascades({ cascades }: CascadeTable) {
  return paretoFront(
    cascades.flatMap(({ first, second, points }) =>
      points.map((point) => ({ ...point, first, second }))
    ),
  );
}

/** What the numbers in the tables mean, after the report's own protocol. */
export function reportNotes(report: EvaluationReport): string[] {
  return [
    ...report.protocol,
    "MACs: multiply-adds of the graph that ran (products and attention), an image.",
    "ms/image: the model alone; images/s: with reading, resizing and packing.",
    "low, high: ends of the 95 % interval (Wilson; differences: Agresti and Min). ECE: expected calibration error of the top-1 probability.",
  ];
}
