/**
 * The loss curve of a run, `loss.svg` in its folder, and curves such as `evalAccuracy.svg` of what its
 * evaluations measure: drawn after checkpoints while it goes on, and
 * at its end, whatever ends it.
 *
 * @module
 */
import { join } from "@std/path";
import { writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { type LoggedRun, measuresOf, readingsOf, runName } from "./logged_run.ts";
import { metricsPath, readMetrics } from "./metrics.ts";
import { exists } from "./run_folder.ts";

/** Seconds until the first curve of a run, if it does not end before. */
const firstCurve = 60;

/** How much of a running run's time may go into its curves: the next one waits for so long. */
const largestShare = 0.005;

/** Path of a run's curve of one measure. */
export const curvePath = (run: string, measure = "loss"): string => join(run, `${measure}.svg`);

/** Draws the curve of one run. Failing to do so is no reason to end a run. */
export class RunCurve {
  #due: number;
  readonly #run: string;
  readonly #warn: (line: string) => void;
  readonly #now: () => number;

  /**
   * @param run its folder
   * @param warn gets a line when a curve could not be drawn
   * @param now the time in milliseconds
   */
  constructor(
    run: string,
    warn: (line: string) => void = () => {},
    now: () => number = () => performance.now(),
  ) {
    this.#run = run;
    this.#warn = warn;
    this.#now = now;
    this.#due = now() + 1000 * firstCurve;
  }

  /** Draws the curve unless one was drawn not long ago. */
  async drawWhenDue(): Promise<void> {
    if (this.#now() >= this.#due) await this.draw();
  }

  /** Draws the curve of what has been logged so far. */
  async draw(): Promise<void> {
    const started = this.#now();
    try {
      if (await exists(metricsPath(this.#run))) await drawCurves(this.#run);
    } catch (error) {
      this.#warn(
        `warning: the loss curve was not drawn: ${error instanceof Error ? error.message : error}`,
      );
    }
    const ended = this.#now();
    this.#due = ended + (ended - started) / largestShare;
  }
}

/** Draws the loss, and each measure of the run's evaluations beside it. */
async function drawCurves(run: string): Promise<void> {
  const { renderChart } = await import("../../formats/plots/render.ts");
  const { runCurves } = await import("../../formats/plots/run_curves.ts");
  const logged = { name: runName(run), metrics: await readMetrics(run) };
  for (const measure of ["loss", ...evaluationMeasures(logged)]) {
    const chart = runCurves(measure, [readingsOf(logged, measure)], logged.name);
    await writeTextAtomically(curvePath(run, measure), await renderChart(chart));
  }
}

/** What evaluations have measured, without the number of samples, which says nothing over steps. */
const evaluationMeasures = (logged: Pick<LoggedRun, "metrics">): string[] =>
  measuresOf([logged]).filter((name) =>
    name.startsWith("eval") && name !== "evalPictures" && name !== "evalSamples"
  );
