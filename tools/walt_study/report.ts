/**
 * What came out of a study, as tables and a chart.
 *
 * @module
 */
import { summarize } from "../../base/statistics.ts";
import type { BarChart } from "../../formats/plots/chart.ts";
import type { RunResult } from "./runs.ts";
import { clipsDrawn, studies, type Study } from "./studies.ts";

/** What was measured, by variant and seed. */
export type Results = Readonly<Record<string, Readonly<Record<string, RunResult>>>>;

/** Lines between which a document has the report. */
const [begin, end] = ["<!-- study -->", "<!-- end of study -->"];

/** A document with the report in place of the one before. */
export function withReport(document: string, report: string): string {
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the document has no lines ${begin} and ${end}`);
  return `${document.slice(0, from + begin.length)}\n\n${report}\n${document.slice(to)}`;
}

/** Results of the seeds of a variant. */
const runsOf = (results: Results, name: string): readonly RunResult[] =>
  Object.values(results[name] ?? {});

/** Mean and deviation of a measure. */
function spread(runs: readonly RunResult[], of: (run: RunResult) => number) {
  const { mean, deviation } = summarize(runs.map(of));
  return { mean, deviation };
}

/** A table for each study. */
export function studyReport(results: Results, steps: number, chart: string): string {
  const tables = studies.filter(({ variants }) => variants.some(({ name }) => results[name]))
    .map((study) => studyTable(study, results));
  const seeds = Math.max(...Object.values(results).map((runs) => Object.keys(runs).length));
  return [
    `![how many clips move as their classes say](${chart})`,
    `${steps} steps, ${seeds} seeds, mean and deviation over them; ${clipsDrawn} clips a run, drawn from the ` +
    "averaged weights by DDIM in 25 steps without guidance. Motion: direction and speed are those of " +
    "the class. Losses of different schedules, latents and shares of self-conditioning are not comparable.",
    ...tables,
  ].join("\n\n") + "\n";
}

function studyTable({ name, claim, variants }: Study, results: Results): string {
  const percent = (runs: readonly RunResult[], of: (run: RunResult) => number): string => {
    const { mean, deviation } = spread(runs, of);
    return `${(100 * mean).toFixed(1)} ± ${(100 * deviation).toFixed(1)}`;
  };
  const rows = variants.flatMap(({ name }) => {
    const runs = runsOf(results, name);
    if (runs.length === 0) return [];
    const [{ parameters, multiplyAdds }] = runs;
    const { mean, deviation } = spread(runs, ({ loss }) => loss);
    const cells = [
      name,
      `${runs.length}`,
      parameters.toLocaleString("en"),
      (multiplyAdds / 1e6).toFixed(1),
      `${mean.toFixed(4)} ± ${deviation.toFixed(4)}`,
      percent(runs, ({ direction }) => direction),
      percent(runs, ({ speed }) => speed),
      percent(runs, ({ motion }) => motion),
    ];
    return [`| ${cells.join(" | ")} |`];
  });
  const title = `${name[0].toUpperCase()}${name.slice(1)}`;
  return [
    `### ${title}`,
    "",
    `The paper: ${claim}.`,
    "",
    "| run | seeds | parameters | MMACs | loss | direction % | speed % | motion % |",
    "| --- | ----: | ---------: | ----: | ---: | ----------: | ------: | -------: |",
    ...rows,
  ].join("\n");
}

/** How many clips of every variant move as they should. */
export function studyChart(results: Results, steps: number): BarChart {
  return {
    kind: "bar",
    title: "Claims of W.A.L.T, on pictures that move",
    subtitle:
      `clips in the right direction at the right speed after ${steps} steps, mean and deviation`,
    value: { title: "clips %", domain: [0, 100] },
    bars: studies.flatMap(({ name: study, variants }) =>
      variants.flatMap(({ name }) => {
        const runs = runsOf(results, name);
        if (runs.length === 0) return [];
        const { mean, deviation } = spread(runs, ({ motion }) => motion);
        const error = runs.length > 1 ? 100 * deviation : undefined;
        return [{ category: `${study}: ${name}`, value: 100 * mean, error }];
      })
    ),
  };
}
