/**
 * The metrics of a run: running sums turned into means, and the file they are appended to.
 *
 * @module
 */
import { join } from "@std/path";
import { appendText, requireRegularFile } from "../../formats/files/append_file.ts";
import { writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { readRegularText } from "../../formats/files/regular_file.ts";

/**
 * One line of `metrics.jsonl`. Means are over the steps since the line before.
 *
 * Besides these fields it has those of the model: the terms of its loss (a DiT's `meanSquaredError`
 * and `variationalBound`, a NaViT's `accuracy`), what is measured of its batches, and `lossScale`, what
 * losses are multiplied by from then on, where they are scaled.
 */
export interface Metrics {
  readonly [measure: string]: number;
  /** Steps made in all. */
  readonly step: number;
  /** What is minimised. */
  readonly loss: number;
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
  /** Part of that time that was spent writing checkpoints, 0 to 1. */
  readonly checkpointing: number;
}

/** Path of a run's metrics. */
export const metricsPath = (run: string): string => join(run, "metrics.jsonl");

/**
 * Appends one line.
 *
 * @throws InputError when the disk is full, or something other than a file has the name
 */
export function appendMetrics(run: string, metrics: Metrics): void {
  appendText(metricsPath(run), `${JSON.stringify(metrics)}\n`);
}

/** The metrics of a run as they are in its file. */
export interface MetricsFile {
  /** One a line, in the order of the file. */
  readonly metrics: readonly Metrics[];
  /** Numbers, from 1, of the lines that are not whole, such as one cut off by a crash. */
  readonly damaged: readonly number[];
}

/** Reads the metrics of a run; lines that are not whole are left out and named. */
export async function readMetricsFile(run: string): Promise<MetricsFile> {
  return parseMetrics(await readRegularText(metricsPath(run)));
}

/** Reads the metrics of a run; a line cut off by a crash is left out. */
export async function readMetrics(run: string): Promise<readonly Metrics[]> {
  return (await readMetricsFile(run)).metrics;
}

function parseMetrics(text: string): MetricsFile {
  const metrics: Metrics[] = [];
  const damaged: number[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const parsed = parseLine(line);
    if (parsed) metrics.push(parsed);
    else if (line.trim() !== "") damaged.push(index + 1);
  }
  return { metrics, damaged };
}

function parseLine(line: string): Metrics | undefined {
  try {
    const value: Partial<Metrics> | null = JSON.parse(line);
    return Number.isInteger(value?.step) ? value as Metrics : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Drops lines after a step: a resumed run repeats the steps since its checkpoint. Lines that are
 * not whole, or repeat a step, go as well.
 */
export async function truncateMetrics(run: string, step: number): Promise<void> {
  requireRegularFile(metricsPath(run));
  let text: string;
  try {
    text = await readRegularText(metricsPath(run));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  let last = -1;
  const kept = parseMetrics(text).metrics.filter((line) => {
    const isNext = line.step > last && line.step <= step;
    if (isNext) last = line.step;
    return isNext;
  });
  const lines = kept.map((line) => `${JSON.stringify(line)}\n`).join("");
  // Never in place: a crash in between would lose the metrics of the whole run.
  if (lines !== text) await writeTextAtomically(metricsPath(run), lines);
}
