/**
 * Where the time of a device goes: what was recorded while it ran programs, and sums over it.
 *
 * @module
 */
import type { Program } from "./program.ts";

/** A stretch of time in milliseconds, from the start of the recording. */
export interface Stretch {
  /** When it began. */
  readonly start: number;
  /** When it was over. */
  readonly end: number;
}

/** One run of a program, from the call until it was done. */
export interface ProfiledRun extends Stretch {
  /** What was run. */
  readonly program: Program;
}

/** What one thread of a device did without a break. */
export interface ProfiledSpan extends Stretch {
  /** Position in {@link Profile.runs}. */
  readonly run: number;
  /** Counted from 0; a device that is no processor has one. */
  readonly thread: number;
  /** Position of the step in its program; absent while a thread waits for the others. */
  readonly step?: number;
}

/** Everything that was recorded. */
export interface Profile {
  /** Threads that worked side by side. */
  readonly threads: number;
  /** Highest speed of the device in GFLOP/s, where it is known: products in the closest cache. */
  readonly peakGflops?: number;
  /** In the order in which they began. */
  readonly runs: readonly ProfiledRun[];
  /** By run and thread, in the order in which they began. */
  readonly spans: readonly ProfiledSpan[];
}

/** A recording that is going on. */
export interface Profiler {
  /** Ends the recording and returns what there is. */
  stop(): Promise<Profile>;
}

/** All time of one kind. */
export interface KindTime {
  /** Kind of step, `waiting` (at barriers), or `starting` (before the first and after the last step). */
  readonly kind: string;
  /** Steps of the kind, over all runs. */
  readonly steps: number;
  /** Milliseconds of all threads together, divided by their number. */
  readonly milliseconds: number;
  /** Share of the time of all runs, between 0 and 1; the shares add up to 1. */
  readonly share: number;
  /** Arithmetic of the graph's nodes over that time, in GFLOP/s. */
  readonly gflopsPerSecond?: number;
  /** The same as a share of the device's peak. */
  readonly peakShare?: number;
}

/** Sums of a profile by kind, the longest first. */
export function timeByKind({ threads, peakGflops, runs, spans }: Profile): KindTime[] {
  const total = threads * runs.reduce((sum, run) => sum + length(run), 0);
  const sums = new Map<string, { steps: Set<string>; time: number; flops: number }>();
  const sumOf = (kind: string) => {
    const known = sums.get(kind) ?? { steps: new Set(), time: 0, flops: 0 };
    sums.set(kind, known);
    return known;
  };
  for (const span of spans) {
    const { program } = runs[span.run];
    const sum = sumOf(kindOf(program, span));
    sum.time += length(span);
    const key = `${span.run} ${span.step}`;
    if (span.step === undefined || sum.steps.has(key)) continue;
    sum.steps.add(key);
    sum.flops += program.costs?.[span.step].flops ?? 0;
  }
  const recorded = spans.reduce((sum, span) => sum + length(span), 0);
  sumOf("starting").time += total - recorded;
  return [...sums].map(([kind, { steps, time, flops }]): KindTime => {
    const milliseconds = time / threads;
    const gflopsPerSecond = flops > 0 ? flops / milliseconds / 1e6 : undefined;
    const peakShare = peakGflops && gflopsPerSecond && gflopsPerSecond / peakGflops;
    return {
      kind,
      steps: steps.size,
      milliseconds,
      share: time / total,
      gflopsPerSecond,
      peakShare,
    };
  }).sort((a, b) => b.milliseconds - a.milliseconds);
}

/** What a span counts as. */
export function kindOf({ steps }: Program, { step }: ProfiledSpan): string {
  return step === undefined ? "waiting" : steps[step].kind;
}

function length({ start, end }: Stretch): number {
  return end - start;
}
