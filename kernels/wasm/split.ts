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

/** A rectangle of a grid. */
export interface Rectangle {
  readonly rows: Range;
  readonly columns: Range;
}

/** An axis of a grid, and the unit of its parts. */
export interface GridAxis {
  readonly size: number;
  readonly unit: number;
}

/**
 * Cuts a grid into at most `parts` rectangles, row by row, so that the largest of them costs least.
 * Rectangles may be empty.
 *
 * @param cost of a rectangle with so many rows and columns
 */
export function splitGrid(
  rows: GridAxis,
  columns: GridAxis,
  parts: number,
  cost: (rows: number, columns: number) => number,
): Rectangle[] {
  const grids = Array.from({ length: parts }, (_, index) => {
    const rowRanges = splitEvenly(rows.size, index + 1, rows.unit);
    const columnRanges = splitEvenly(columns.size, Math.floor(parts / (index + 1)), columns.unit);
    const largestCost = cost(largestSize(rowRanges), largestSize(columnRanges));
    return { cost: largestCost, rowRanges, columnRanges };
  });
  const best = grids.reduce((a, b) => b.cost < a.cost ? b : a);
  return best.rowRanges.flatMap((rowRange) =>
    best.columnRanges.map((columnRange) => ({ rows: rowRange, columns: columnRange }))
  );
}

/** Size of the largest range. */
export function largestSize(ranges: readonly Range[]): number {
  return Math.max(...ranges.map(({ start, end }) => end - start));
}

/** Blocks of equal size, a multiple of `unit`, not larger than `maximum` but for one unit. */
export function blockSize(size: number, maximum: number, unit: number): number {
  const blocks = Math.ceil(size / Math.max(maximum, 1));
  return Math.ceil(size / blocks / unit) * unit;
}

/** A phase in which every thread makes the calls that `calls` gives for its range of the work. */
export function splitPhase(
  ranges: readonly Range[],
  calls: (range: Range, thread: number) => readonly Call[],
): Phase {
  return ranges.map((range, thread) => range.start < range.end ? calls(range, thread) : []);
}
