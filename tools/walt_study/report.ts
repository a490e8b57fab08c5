/**
 * What came out of a study, as tables and charts.
 *
 * @module
 */
import { summarize, type Summary } from "../../base/statistics.ts";
import type { BarChart } from "../../formats/plots/chart.ts";
import { type Cell, type Column, markdownTable } from "../../formats/text/table.ts";
import type { Part } from "./parts.ts";
import type { Results, RunResult } from "./runs.ts";
import type { Study } from "./studies.ts";

/** Lines between which a document has the report. */
const [begin, end] = ["<!-- study -->", "<!-- end of study -->"];

/** A document with the report in place of the one before. */
export function withReport(document: string, report: string): string {
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the document has no lines ${begin} and ${end}`);
  return `${document.slice(0, from + begin.length)}\n\n${report}\n${document.slice(to)}`;
}

/** The runs of a variant, one a seed. */
interface Row {
  readonly name: string;
  readonly runs: readonly RunResult[];
}

/** The variants of a study that have results. */
const rowsOf = ({ variants }: Study, results: Results): readonly Row[] =>
  variants.map(({ name }) => ({ name, runs: Object.values(results[name] ?? {}) }))
    .filter(({ runs }) => runs.length > 0);

/** Mean and deviation of a measure over the runs that have it, if any does. */
function spread({ runs }: Row, field: string, factor = 1): Summary | undefined {
  const values = runs.flatMap((run) => run[field] === undefined ? [] : [factor * run[field]]);
  return values.length === 0 ? undefined : summarize(values);
}

/** Tables of the studies of a part. */
export function partReport(
  { studies, clipsDrawn, about, measures, chart }: Part,
  results: Results,
  steps: number,
): string {
  const tables = studies.filter((study) => rowsOf(study, results).length > 0)
    .map((study) => studyTable(study, measures, results));
  const seeds = Math.max(...Object.values(results).map((runs) => Object.keys(runs).length));
  return [
    `![${chart.shows.replace(/,$/, "")}](${chart.file})`,
    `${steps} steps, ${seeds} seeds, mean and deviation over them; ${clipsDrawn} clips a run, drawn from the ` +
    `averaged weights by DDIM in 25 steps without guidance. ${about} Losses of different schedules, latents ` +
    "and shares of self-conditioning are not comparable. Steps/s: of training, in the fastest tenth of each " +
    "run, as the machine had other work.",
    ...tables,
  ].join("\n\n") + "\n";
}

function studyTable(
  study: Study,
  measures: Part["measures"],
  results: Results,
): string {
  const withDeviation = (field: string, digits: number, factor?: number) => (row: Row): Cell => {
    const found = spread(row, field, factor);
    return found && `${found.mean.toFixed(digits)} ± ${found.deviation.toFixed(digits)}`;
  };
  const columns: Column<Row>[] = [
    { title: "run", value: ({ name }) => name },
    { title: "seeds", value: ({ runs }) => runs.length },
    { title: "parameters", value: ({ runs: [{ parameters }] }) => parameters },
    { title: "MMACs", value: ({ runs: [{ multiplyAdds }] }) => multiplyAdds / 1e6, digits: 1 },
    { title: "steps/s", value: withDeviation("stepsPerSecond", 1) },
    { title: "loss", value: withDeviation("loss", 4) },
    ...measures.map(({ field, title, factor }) => ({
      title,
      value: withDeviation(field, 1, factor),
    })),
  ];
  const { name, claim } = study;
  return [
    `### ${name[0].toUpperCase()}${name.slice(1)}`,
    `The paper: ${claim}.`,
    markdownTable(columns, rowsOf(study, results)),
  ].join("\n\n");
}

/** The last measure of every variant of a part. */
export function partChart(
  { studies, measures, chart: { title, shows, axis, domain } }: Part,
  results: Results,
  steps: number,
): BarChart {
  const { field, factor } = measures.at(-1)!;
  return {
    kind: "bar",
    title,
    subtitle: `${shows} after ${steps} steps, mean and deviation`,
    value: { title: axis, domain },
    bars: studies.flatMap((study) =>
      rowsOf(study, results).map((row) => {
        const { mean, deviation } = spread(row, field, factor)!;
        const category = studies.length === 1 ? row.name : `${study.name}: ${row.name}`;
        return { category, value: mean, error: row.runs.length > 1 ? deviation : undefined };
      })
    ),
  };
}
