/**
 * `tessera bench aspect`: from flags to the table and the chart.
 *
 * @module
 */
import {
  aspectColumns,
  type AspectStudy,
  runAspectStudy,
  studyRuns,
  summarizeStudy,
} from "../../bench/aspect_study.ts";
import { renderReport } from "../../bench/runner/report.ts";
import { accuracyComputeChart } from "../../evaluation/charts/accuracy_compute.ts";
import { describeMachine } from "../../base/machine.ts";
import { selectDevice } from "../../kernels/select_device.ts";
import type { AspectOptions } from "./aspect_flags.ts";
import { writeChart } from "../terminal/charts.ts";
import { UsageError } from "../terminal/errors.ts";
import type { Io } from "../terminal/io.ts";
import { watchSignals } from "../terminal/signals.ts";
import { openPictureSet } from "../../data/open.ts";
import { opened, placeOf, planNewRun, titleOf } from "../runs/prepare.ts";
import { navitTraining } from "../families/navit/train.ts";
import { versions } from "../terminal/version.ts";

/** Sequences of a batch of the evaluation. */
const evaluationSequences = 8;

/** Runs the study. */
export async function runAspect(
  io: Io,
  values: AspectOptions,
  given: ReadonlySet<string>,
): Promise<void> {
  const { plan, data: pictures, notes } = await planNewRun(io, navitTraining, { values, given });
  notes.forEach((note) => io.tell(note));
  if (plan.steps % values.points !== 0) {
    const nearest = Math.max(1, Math.round(plan.steps / values.points)) * values.points;
    throw new UsageError(
      `--points ${values.points} does not divide ${plan.steps} steps; --steps ${nearest} would do`,
    );
  }
  const { config, classNames, run, dataPath } = plan.description;
  const test = await opened(
    io,
    values.quiet,
    (events) =>
      openPictureSet(placeOf(navitTraining, dataPath), {
        channels: config.channels,
        holdout: run.holdout,
        split: "test",
        classNames,
        ...events,
      }),
  );
  const { resolution } = run;
  if (resolution.kind !== "sampled") {
    throw new UsageError("bench aspect needs a range of resolutions: --resolution MIN:MAX");
  }
  const tokens = values.evalTokens ?? Math.round(resolution.maximum / config.patch) ** 2;
  const study: AspectStudy = {
    plan,
    training: pictures,
    test,
    seeds: Array.from({ length: values.seeds }, (_, index) => values.seed + index),
    points: values.points,
    tokens,
    folder: values.resultsDir,
    batches: { sequences: evaluationSequences, length: run.length },
  };
  const { device } = await selectDevice({ ...values, batchInvariant: true });
  using watch = watchSignals(io, "finishing this step and saving");
  try {
    const note = (line: string) => values.quiet || io.tell(`${line} ...`);
    const rows = await runAspectStudy(device, study, note, watch.signal);
    const runs = studyRuns(rows);
    if (values.out !== undefined) {
      const subtitle = `${titleOf(values)} on ${pictures.length} pictures, ` +
        `${test.length} for testing at ${tokens} tokens`;
      const compute = "training multiply-adds (10^12)";
      await writeChart(values.out, accuracyComputeChart(runs, { subtitle, compute }));
    }
    const report = {
      machine: await describeMachine(versions()),
      columns: aspectColumns,
      rows: summarizeStudy(rows),
      notes: [
        "All kinds of runs make the same number of steps on the same number of tokens with the " +
        "same program, so that smaller pictures make more of them; accuracy of the averaged " +
        "weights on the test part, over seeds.",
      ],
    };
    io.out(renderReport(report, "table"));
  } finally {
    device.close();
  }
}
