/**
 * Runs as they are read back from their metrics, for plots and for other programs.
 *
 * @module
 */
import { basename, resolve } from "@std/path";
import { InputError } from "../../base/errors.ts";
import type { ScalarEvent } from "../../formats/files/event_file.ts";
import type { RunReadings } from "../../formats/plots/run_curves.ts";
import { type Metrics, metricsPath, readMetricsFile } from "./metrics.ts";
import { exists } from "./run_folder.ts";

/** A run and everything it has logged. */
export interface LoggedRun {
  /** The name of its folder, or the path as given where two runs share a name. */
  readonly name: string;
  readonly metrics: readonly Metrics[];
  /** When the last line was written, in seconds since 1970. */
  readonly written: number;
}

/** The name by which a run is known in charts. */
export const runName = (run: string): string => basename(resolve(run));

/**
 * Reads the metrics of some runs.
 *
 * @param paths of run folders
 * @param warn gets a line about each run whose metrics have lines that are not whole
 * @throws {InputError} when a path is not a run folder or nothing has been logged at all
 */
export async function readLoggedRuns(
  paths: readonly string[],
  warn: (line: string) => void,
): Promise<LoggedRun[]> {
  const names = paths.map(runName);
  const runs: LoggedRun[] = [];
  for (const [index, path] of paths.entries()) {
    const isUnique = names.indexOf(names[index]) === names.lastIndexOf(names[index]);
    runs.push({ name: isUnique ? names[index] : path, ...await readRun(path, warn) });
  }
  if (runs.every(({ metrics }) => metrics.length === 0)) {
    throw new InputError(`${paths.join(", ")}: nothing has been logged yet`);
  }
  return runs;
}

async function readRun(path: string, warn: (line: string) => void) {
  const file = metricsPath(path);
  const found = await exists(file) ? await Deno.stat(file) : undefined;
  if (!found?.isFile) {
    throw new InputError(
      `${path}: no run, there is no metrics.jsonl in it; give a folder such as ` +
        "results/000-DiT-XS-4",
    );
  }
  const { metrics, damaged } = await readMetricsFile(path);
  if (damaged.length > 0) {
    const lines = damaged.length === 1
      ? `line ${damaged[0]} is`
      : `lines ${damaged.join(", ")} are`;
    warn(`${file}: ${lines} not whole and left out`);
  }
  return { metrics, written: (found.mtime?.getTime() ?? 0) / 1000 };
}

/** Fields of a line that say where it stands and are not measured. */
const positions: ReadonlySet<string> = new Set(["step", "seconds"]);

/** Names of everything that some run measured, in the order of its lines. */
export function measuresOf(runs: readonly Pick<LoggedRun, "metrics">[]): string[] {
  const names = runs.flatMap(({ metrics }) => metrics.flatMap((line) => Object.keys(line)));
  return [...new Set(names)].filter((name) => !positions.has(name));
}

/** A value of a line; JSON has no NaN and no infinity, they are stored as null. */
function valueOf(line: Metrics, measure: string): number {
  return Number(line[measure] ?? NaN);
}

/** The readings of one measure; a value that was not finite is NaN. */
export function readingsOf(
  { name, metrics }: Pick<LoggedRun, "name" | "metrics">,
  measure: string,
): RunReadings {
  const readings = metrics.filter((line) => line[measure] !== undefined)
    .map((line) => ({ step: line.step, value: valueOf(line, measure) }));
  return { name, readings };
}

/**
 * The lines of a run as events of TensorBoard. When a line was written is counted back from the last
 * one by the seconds of training: a pause between two processes of a run does not show.
 */
export function eventsOf({ metrics, written }: LoggedRun): ScalarEvent[] {
  const measures = measuresOf([{ metrics }]);
  let time = written;
  return metrics.toReversed().map((line, index, lines): ScalarEvent => {
    const next = lines[index - 1];
    // Each process of a run counts its seconds from 0.
    if (next) time -= next.seconds > line.seconds ? next.seconds - line.seconds : next.seconds;
    const known = measures.filter((measure) => line[measure] !== undefined);
    const values = Object.fromEntries(known.map((name) => [name, valueOf(line, name)]));
    return { time, step: line.step, values };
  }).reverse();
}
