/**
 * Profiles for people: a table of where the time goes, and a trace that chrome://tracing and
 * ui.perfetto.dev show.
 *
 * @module
 */
import { alignedTable, type Column } from "../../formats/text/table.ts";
import { kindOf, type KindTime, type Profile, timeByKind } from "../../kernels/profile.ts";

const percent = (share: number | undefined) => share === undefined ? undefined : 100 * share;

/** Columns of the table for a number of runs. */
function profileColumns(runs: number): Column<KindTime>[] {
  return [
    { title: "kind", value: ({ kind }) => kind },
    { title: "steps", value: ({ steps }) => steps > 0 ? steps / runs : undefined },
    { title: "ms", value: ({ milliseconds }) => milliseconds / runs, digits: 3 },
    { title: "% of time", value: ({ share }) => percent(share), digits: 1 },
    { title: "GFLOP/s", value: (row) => row.gflopsPerSecond, digits: 1 },
    { title: "% of peak", value: ({ peakShare }) => percent(peakShare), digits: 1 },
  ];
}

/** The table, a run on average, with a line on what it shows. */
export function describeProfile(profile: Profile): string {
  const { threads, peakGflops, runs } = profile;
  const peak = peakGflops === undefined ? "" : `; peak: ${peakGflops.toFixed(0)} GFLOP/s`;
  const title = `profile of ${runs.length} runs, ${threads} thread${threads > 1 ? "s" : ""}; ` +
    `times are those of all threads divided by their number${peak}`;
  return `${title}\n${alignedTable(profileColumns(runs.length), timeByKind(profile))}`;
}

/** An event of a trace. Times are in microseconds. */
interface TraceEvent {
  readonly name: string;
  /** A complete event, or metadata. */
  readonly ph: "X" | "M";
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

/** Profiles by name as the text of a trace; each becomes a process with its threads. */
export function chromeTrace(profiles: ReadonlyMap<string, Profile>): string {
  const traceEvents = [...profiles].flatMap(([name, profile], pid) => [
    { name: "process_name", ph: "M" as const, pid, tid: 0, args: { name } },
    ...traceEventsOf(profile, pid),
  ]);
  return JSON.stringify({ displayTimeUnit: "ms", traceEvents });
}

/** Runs of whole programs stand above the threads. */
function traceEventsOf({ threads, runs, spans }: Profile, pid: number): TraceEvent[] {
  const during = ({ start, end }: { start: number; end: number }) => ({
    ts: 1000 * start,
    dur: 1000 * (end - start),
  });
  const title = (tid: number, name: string) =>
    ({ name: "thread_name", ph: "M", pid, tid, args: { name } }) as const;
  return [
    title(0, "programs"),
    ...Array.from({ length: threads }, (_, thread) => title(thread + 1, `thread ${thread}`)),
    ...runs.map((run) =>
      ({ name: run.program.name, ph: "X", pid, tid: 0, ...during(run) }) as const
    ),
    ...spans.map((span) => ({
      name: kindOf(runs[span.run].program, span),
      ph: "X" as const,
      pid,
      tid: span.thread + 1,
      ...during(span),
      args: { program: runs[span.run].program.name, step: span.step },
    })),
  ];
}
