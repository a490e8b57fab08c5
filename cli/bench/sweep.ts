/**
 * What the benchmarks share: flags of devices, timing and output, and the loop over their rows.
 *
 * @module
 */
import type { FailedPlace, MeasuredPlace, Place } from "../../bench/runner/places.ts";
import type { Report, ReportFormat } from "../../bench/runner/report.ts";
import { deviceKind } from "../../kernels/devices.ts";
import { ExitCode } from "../terminal/errors.ts";
import { alias, flag, group, optional, toggle, type Values } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";
import { deviceChoices } from "../flags/options.ts";
import { choice, integer, list, text } from "../flags/parsers.ts";
import { versions } from "../terminal/version.ts";

/** How results are written. */
export const reportFlags = group("Output:", {
  format: alias(
    flag(
      "--format <table|md|csv|json|jsonl>",
      "how the results are written",
      choice("table", "md", "csv", "json", "jsonl"),
      "table" as ReportFormat,
    ),
    "--output",
    "-o",
  ),
  json: toggle(
    "--json",
    "the same as --format json: one JSON document on stdout, nothing else there",
  ),
  out: optional("--out <file>", "write the results to a file", text, "stdout"),
});

/** A number of pictures, tokens or repetitions. */
export const count = integer({ min: 1, max: 100_000 });

/** Where and how often is timed. */
export const timingFlags = {
  ...group("Device:", {
    device: flag(
      "--device <list>",
      `devices: ${deviceChoices.join(", ")}`,
      list(choice(...deviceChoices)),
      ["auto"] as readonly Place["device"][],
    ),
    threads: optional(
      "--threads <list>",
      "worker threads of the wasm device",
      list(integer({ min: 1, max: 256 })),
      "one a core",
    ),
    strictMath: toggle("--strict-math", "no relaxed multiply-add on wasm"),
    activations: flag(
      "--activations <list>",
      "how results of operations are kept: f32, or f16 on GPUs with shader-f16",
      list(choice("f32", "f16")),
      ["f32"] as readonly ("f32" | "f16")[],
    ),
  }),
  ...group("Timing:", {
    repetitions: flag("-r, --repetitions <n>", "timed samples a row", count, 5),
  }),
};

/** Writes a report where the flags say, or to stdout where that fails: it may have taken hours. */
export async function writeReport<Row>(
  io: Io,
  report: Report<Row>,
  { format, json, out }: Values<typeof reportFlags>,
): Promise<void> {
  const { renderReport } = await import("../../bench/runner/report.ts");
  const rendered = renderReport(report, json ? "json" : format);
  if (out === undefined) io.out(rendered);
  else {
    const { writeTextAtomically } = await import("../../formats/files/atomic_file.ts");
    await writeTextAtomically(out, `${rendered}\n`).catch((error) => {
      io.out(rendered);
      throw error;
    });
  }
}

/** The machine with the version and commit of this tool. */
export async function machine() {
  const { describeMachine } = await import("../../base/machine.ts");
  return describeMachine(versions());
}

/** Every device with every number of threads that matters to it, and every way to keep activations. */
export async function placesOf(
  { device, threads, strictMath, activations }: TimingValues,
): Promise<Place[]> {
  const places: Place[] = [];
  for (const name of device) {
    const threaded = name === "auto" || (await deviceKind(name)).threads !== undefined;
    const counts = threaded && threads || [undefined];
    places.push(
      ...counts.flatMap((count) =>
        activations.map((type) => ({
          ...{ device: name, threads: count, strictMath },
          activations: type,
        }))
      ),
    );
  }
  return places;
}

/** What the flags of devices and timing say. */
export type TimingValues = Values<typeof timingFlags>;

/** Rows that are measured one after the other. */
export interface Sweep<Task, Row> {
  /** How many tasks there are. */
  readonly total: number;
  /** What is measured, prepared when its turn comes. */
  readonly tasks: Iterable<Task> | AsyncIterable<Task>;
  /** A task in a few words, for the progress. */
  describe(task: Task): string;
  /** Measures a task; a failure is a row. */
  measure(task: Task, repetitions: number): Promise<Row>;
  /** What the tables say. */
  report(rows: readonly Row[]): Pick<Report<Row>, "columns" | "notes">;
}

/** Measures row by row, reports, and fails when a row has failed. */
export async function runSweep<Task, Row extends MeasuredPlace | FailedPlace>(
  io: Io,
  sweep: Sweep<Task, Row>,
  values: TimingValues & Values<typeof reportFlags>,
): Promise<void> {
  const { deviceNotes } = await import("../../bench/runner/places.ts");
  const rows: Row[] = [];
  for await (const task of sweep.tasks) {
    if (io.live) io.tell(`${rows.length + 1}/${sweep.total} ${sweep.describe(task)} ...`);
    rows.push(await sweep.measure(task, values.repetitions));
  }
  const { columns, notes } = sweep.report(rows);
  const report = { columns, rows, notes: [...notes, ...deviceNotes(rows)] };
  await writeReport(io, { machine: await machine(), ...report }, values);
  const failed = rows.filter(({ status }) => status !== "ok");
  if (failed.length > 0) {
    throw new RowsFailed(`${failed.length} of ${rows.length} rows failed: ${failed[0].status}`);
  }
}

/** Rows without numbers: the report is complete, but the exit code tells. */
class RowsFailed extends Error {
  override readonly name = "RowsFailed";
  readonly exitCode = ExitCode.failure;
}
