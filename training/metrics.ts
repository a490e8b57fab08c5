/**
 * The metrics of a run: running sums turned into means, and the file they are appended to.
 *
 * @module
 */
import { join } from "@std/path";

/** One line of `metrics.jsonl`. Means are over the steps since the line before. */
export interface Metrics {
  /** Steps made in all. */
  readonly step: number;
  /** What is minimised: the sum of the next two. */
  readonly loss: number;
  /** Of the predicted noise. */
  readonly meanSquaredError: number;
  /** Bits per dimension; 0 when the variance is not learned. */
  readonly variationalBound: number;
  /** Euclidean norm of all gradients together, before clipping. */
  readonly gradientNorm: number;
  /** Of the last step. */
  readonly learningRate: number;
  /** Steps left out because a gradient was not finite. */
  readonly skippedSteps: number;
  /** Training pictures a second since the line before. */
  readonly imagesPerSecond: number;
  /** Seconds of training since the process started. */
  readonly seconds: number;
  /** Part of the time since the last line that was spent waiting for data, 0 to 1. */
  readonly dataWait: number;
}

/** Path of a run's metrics. */
export const metricsPath = (run: string): string => join(run, "metrics.jsonl");

/** Appends one line. */
export async function appendMetrics(run: string, metrics: Metrics): Promise<void> {
  await Deno.writeTextFile(metricsPath(run), `${JSON.stringify(metrics)}\n`, { append: true });
}

/** Reads the metrics of a run; a line cut off by a crash is left out. */
export async function readMetrics(run: string): Promise<Metrics[]> {
  const text = await Deno.readTextFile(metricsPath(run));
  return text.split("\n").flatMap((line) => {
    try {
      return line ? [JSON.parse(line) as Metrics] : [];
    } catch {
      return [];
    }
  });
}

/** Drops lines after a step: a resumed run repeats the steps since its checkpoint. */
export async function truncateMetrics(run: string, step: number): Promise<void> {
  let metrics: Metrics[];
  try {
    metrics = await readMetrics(run);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  const kept = metrics.filter((line) => line.step <= step);
  const text = kept.map((line) => `${JSON.stringify(line)}\n`).join("");
  await Deno.writeTextFile(metricsPath(run), text);
}
