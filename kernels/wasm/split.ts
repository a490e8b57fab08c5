/**
 * How work is divided among threads.
 *
 * @module
 */
import type { Call, Phase } from "./lowering.ts";

/** A half-open interval of whole numbers. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Cuts `0 .. count` into `parts` consecutive ranges whose borders are multiples of `unit` and whose
 * sizes differ by at most one unit. Ranges may be empty.
 */
export function splitEvenly(count: number, parts: number, unit = 1): Range[] {
  const units = Math.ceil(count / unit);
  const border = (part: number) => Math.min(count, Math.floor(units * part / parts) * unit);
  return Array.from({ length: parts }, (_, part) => ({
    start: border(part),
    end: part === parts - 1 ? count : border(part + 1),
  }));
}

/** As `splitEvenly` for the first `workers` of all threads; the others get empty ranges. */
export function splitAmong(workers: number, threads: number, count: number, unit = 1): Range[] {
  const ranges = splitEvenly(count, workers, unit);
  return Array.from({ length: threads }, (_, thread) => ranges[thread] ?? { start: 0, end: 0 });
}

/** Consecutive ranges of at most `size`. */
export function chunks(range: Range, size: number): Range[] {
  const result: Range[] = [];
  for (let start = range.start; start < range.end; start += size) {
    result.push({ start, end: Math.min(range.end, start + size) });
  }
  return result;
}

/** A phase in which every thread makes the calls that `calls` gives for its range of the work. */
export function splitPhase(
  ranges: readonly Range[],
  calls: (range: Range, thread: number) => readonly Call[],
): Phase {
  return ranges.map((range, thread) => range.start < range.end ? calls(range, thread) : []);
}
