/**
 * The loss curve of a run, `loss.svg` in its folder: drawn after checkpoints while it goes on, and
 * at its end, whatever ends it.
 *
 * @module
 */
import { basename, join, resolve } from "@std/path";
import { writeTextAtomically } from "../../formats/files/atomic_file.ts";
import type { RunReadings } from "../../formats/plots/run_curves.ts";
import { type Metrics, metricsPath, readMetrics } from "./metrics.ts";
import { exists } from "./run_folder.ts";

/** Seconds until the first curve of a run, if it does not end before. */
const firstCurve = 60;

/** How much of a running run's time may go into its curves: the next one waits for so long. */
const largestShare = 0.005;

/** Path of a run's loss curve. */
export const curvePath = (run: string): string => join(run, "loss.svg");

/** The name by which a run is known in charts. */
export const runName = (run: string): string => basename(resolve(run));

/** The readings of one measure; a value that was not finite is NaN. */
export function readingsOf(
  name: string,
  metrics: readonly Metrics[],
  measure: string,
): RunReadings {
  const readings = metrics.filter((line) => line[measure] !== undefined)
    // JSON has no NaN and no infinity: they are stored as null.
    .map((line) => ({ step: line.step, value: Number(line[measure] ?? NaN) }));
  return { name, readings };
}

/** Draws the curve of one run. Failing to do so is no reason to end a run. */
export class RunCurve {
  private due: number;

  /**
   * @param run its folder
   * @param warn gets a line when a curve could not be drawn
   * @param now the time in milliseconds
   */
  constructor(
    private readonly run: string,
    private readonly warn: (line: string) => void = () => {},
    private readonly now: () => number = () => performance.now(),
  ) {
    this.due = now() + 1000 * firstCurve;
  }

  /** Draws the curve unless one was drawn not long ago. */
  async drawWhenDue(): Promise<void> {
    if (this.now() >= this.due) await this.draw();
  }

  /** Draws the curve of what has been logged so far. */
  async draw(): Promise<void> {
    const started = this.now();
    try {
      if (await exists(metricsPath(this.run))) await drawCurve(this.run);
    } catch (error) {
      this.warn(
        `warning: the loss curve was not drawn: ${error instanceof Error ? error.message : error}`,
      );
    }
    const ended = this.now();
    this.due = ended + (ended - started) / largestShare;
  }
}

async function drawCurve(run: string): Promise<void> {
  const { renderChart } = await import("../../formats/plots/chart.ts");
  const { runCurves } = await import("../../formats/plots/run_curves.ts");
  const name = runName(run);
  const chart = runCurves("loss", [readingsOf(name, await readMetrics(run), "loss")], name);
  await writeTextAtomically(curvePath(run), await renderChart(chart));
}
