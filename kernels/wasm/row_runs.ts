/**
 * Rows of strided views as runs that a generated loop can walk with constant strides.
 *
 * @module
 */
import type { View } from "../view.ts";
import type { Range } from "./split.ts";

/** Rows of several views of one leading shape, as runs with one stride a view. */
export interface RowRuns {
  /** Rows in every run. */
  readonly length: number;
  /** Elements from row to row within a run, for every view. */
  readonly strides: readonly number[];
  /** Number of runs. */
  readonly count: number;
  /** Element offset of the first row of a run from the start of the view, for every view. */
  starts(run: number): number[];
}

/** Runs over all axes of the views but the last one; neighbouring axes are merged where possible. */
export function rowRuns(views: readonly View[]): RowRuns {
  const axes: { size: number; strides: number[] }[] = [];
  views[0].shape.slice(0, -1).forEach((size, axis) => {
    if (size === 1) return;
    const strides = views.map((view) => view.strides[axis]);
    const outer = axes.at(-1);
    const merges = outer?.strides.every((stride, i) => stride === strides[i] * size);
    if (outer && merges) axes[axes.length - 1] = { size: outer.size * size, strides };
    else axes.push({ size, strides });
  });
  const innermost = axes.pop() ?? { size: 1, strides: views.map(() => 0) };
  return {
    length: innermost.size,
    strides: innermost.strides,
    count: axes.reduce((count, { size }) => count * size, 1),
    starts(run) {
      const offsets = views.map(() => 0);
      let rest = run;
      for (const { size, strides } of [...axes].reverse()) {
        const index = rest % size;
        rest = Math.floor(rest / size);
        strides.forEach((stride, i) => offsets[i] += index * stride);
      }
      return offsets;
    },
  };
}

/** A stretch of rows for one call: byte addresses of the first row in every view, and how many. */
export interface RowStretch {
  readonly addresses: readonly number[];
  readonly rows: number;
}

/**
 * The rows of a range (numbered through all runs), in as few stretches as the runs allow.
 *
 * @param bases byte addresses of the views' first elements
 */
export function rowStretches(
  runs: RowRuns,
  bases: readonly number[],
  range: Range,
): RowStretch[] {
  const stretches: RowStretch[] = [];
  for (let row = range.start; row < range.end;) {
    const run = Math.floor(row / runs.length);
    const first = row - run * runs.length;
    const rows = Math.min(runs.length - first, range.end - row);
    const starts = runs.starts(run);
    const addresses = bases.map((base, i) => base + 4 * (starts[i] + first * runs.strides[i]));
    stretches.push({ addresses, rows });
    row += rows;
  }
  return stretches;
}
