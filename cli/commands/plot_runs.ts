/**
 * `tessera plot`: from run folders to a picture or a page.
 *
 * @module
 */
import { InputError, nearestNames } from "../../base/errors.ts";
import { writeBytesAtomically, writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { svgToPng } from "../../formats/pictures/bitmap.ts";
import type { XYChart } from "../../formats/plots/chart.ts";
import { renderChart } from "../../formats/plots/render.ts";
import { chartFigures, htmlPage } from "../../formats/plots/page.ts";
import { runCurves } from "../../formats/plots/run_curves.ts";
import { type Column, htmlTable } from "../../formats/text/table.ts";
import {
  type LoggedRun,
  measuresOf,
  readingsOf,
  readLoggedRuns,
} from "../../training/runs/logged_run.ts";
import { UsageError } from "../terminal/errors.ts";
import type { Io } from "../terminal/io.ts";

/** What `plot` was asked to do. */
export interface PlotOptions {
  /** An SVG, PNG or HTML file. */
  readonly out: string;
  /** Names of metrics: the loss when absent, or all of them for a page. */
  readonly measure?: readonly string[];
}

/** Draws the runs, and says where. */
export async function plotRuns(
  io: Io,
  { out, measure }: PlotOptions,
  paths: readonly string[],
): Promise<void> {
  const runs = await readLoggedRuns(paths, (line) => io.tell(`warning: ${line}`));
  const isPage = out.endsWith(".html");
  const measures = measure ?? (isPage ? measuresOf(runs) : ["loss"]);
  if (!isPage && measures.length !== 1) {
    throw new UsageError(`--measure ${measures}: a picture shows one; --out FILE.html shows all`);
  }
  const charts = measures.map((name) => chartOf(runs, name));
  if (isPage) await writeTextAtomically(out, await pageOf(runs, charts));
  else if (out.endsWith(".svg")) await writeTextAtomically(out, await renderChart(charts[0]));
  else await writeBytesAtomically(out, await svgToPng(await renderChart(charts[0])));
  io.out(out);
}

/** The chart of a measure, which at least one of the runs must have. */
function chartOf(runs: readonly LoggedRun[], measure: string): XYChart {
  const known = measuresOf(runs);
  if (!known.includes(measure)) {
    const nearest = nearestNames(measure, known).join(" or ");
    throw new InputError(`--measure ${measure}: not in metrics.jsonl; the nearest is ${nearest}`);
  }
  const subtitle = runs.length === 1 ? runs[0].name : undefined;
  return runCurves(measure, runs.map((run) => readingsOf(run, measure)), subtitle);
}

const columns: readonly Column<LoggedRun>[] = [
  { title: "run", value: ({ name }) => name },
  { title: "steps", value: ({ metrics }) => metrics.at(-1)?.step },
  { title: "last loss", value: ({ metrics }) => metrics.at(-1)?.loss ?? undefined, digits: 4 },
  { title: "images/s", value: ({ metrics }) => metrics.at(-1)?.imagesPerSecond, digits: 1 },
];

async function pageOf(
  runs: readonly LoggedRun[],
  charts: readonly XYChart[],
): Promise<string> {
  const table = `<div class="table">${htmlTable(columns, runs)}</div>`;
  const title = runs.length === 1 ? runs[0].name : `${runs.length} training runs`;
  return htmlPage(title, [table, ...await chartFigures(charts)]);
}
