/**
 * A demo of any family: device, a training that ends when its time is up, what the family shows of the
 * model, and where everything is.
 *
 * @module
 */
import type { Device } from "../../kernels/device.ts";
import type { RunDescription } from "../../training/checkpoints/manifest.ts";
import type { Metrics } from "../../training/runs/metrics.ts";
import { startRunFolder } from "../../training/runs/run.ts";
import { curvePath } from "../../training/runs/run_curve.ts";
import { exists } from "../../training/runs/run_folder.ts";
import { appendLog } from "../../training/runs/run_log.ts";
import { destroyState } from "../../training/step/trainer.ts";
import type { FamilyConfig } from "../../nn/config.ts";
import type { CommonSettings } from "../../training/checkpoints/settings.ts";
import { selectDevice } from "../../kernels/select_device.ts";
import type {
  ParsedTrain,
  TrainingCommand,
  TrainingData,
  TrainValues,
} from "../families/training.ts";
import type { DemoOptions } from "../commands/demo_flags.ts";
import { planNewRun, preparedRun, titleOf, withPreparedData } from "./prepare.ts";
import type { Io } from "../terminal/io.ts";
import { amount, fixed, Progress } from "../terminal/progress.ts";
import { formatCount } from "../terminal/numbers.ts";
import { watchSignals } from "../terminal/signals.ts";
import type { PreparedRun } from "./run.ts";

/** A line about what the demo does. */
export const say = (io: Io, line: string): void => io.tell(line);

/** The same below an empty line. */
function sayApart(io: Io, line: string): void {
  io.explain(`\n${line}`, { message: line });
}

/** Results of a demo with what they are, one a line. */
function listResults(io: Io, results: readonly Result[]) {
  sayApart(io, "Where everything is:");
  for (const [what, path] of results) io.out(`${what.padEnd(44)} ${path}`);
}

/** More steps than any demo makes: it ends when its time is up. */
const stepsWithoutEnd = 1_000_000;

/** What a family shows in its demo. */
export interface Demo<
  V extends TrainValues,
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
> {
  /** Its training. */
  readonly training: TrainingCommand<V, Config, Settings, Data>;
  /** Reads flags of `train`. */
  parse(args: readonly string[]): ParsedTrain<V>;
  /** Flags of `train` with which the model learns much in little time. */
  readonly trainingFlags: readonly string[];
  /** What the data is, such as `real pictures`. */
  readonly data: string;
  /** Shows the model of a run folder, in steps counted from 3; returns what that has left behind. */
  show(io: Io, options: DemoOptions, device: Device, folder: string): Promise<readonly Result[]>;
  /** Commands to try next. */
  nextSteps(folder: string): readonly string[];
}

/** Something that a demo has left behind: what it is, and its path. */
export type Result = readonly [what: string, path: string];

/** Runs a demo. */
export async function runDemo<
  V extends TrainValues,
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
>(io: Io, options: DemoOptions, demo: Demo<V, Config, Settings, Data>): Promise<void> {
  const { device, reason } = await selectDevice({ ...options, batchInvariant: true });
  try {
    say(io, `1. Device: ${device.kind.name}, ${device.description}`);
    say(io, `   (${reason})`);
    const flags = demo.parse([...demo.trainingFlags, "--steps", `${stepsWithoutEnd}`]);
    const values = { ...flags.values, ...options };
    const parsed = await withPreparedData(io, demo.training, { ...flags, values });
    const run = await planNewRun(io, demo.training, parsed);
    const title = titleOf(parsed.values);
    say(
      io,
      `2. Training ${title} on ${formatCount(run.data.length)} ${demo.data} for ` +
        `${options.seconds} s`,
    );
    const folder = await trainFor(io, options, preparedRun(demo.training, run, title), device);
    const results = await demo.show(io, options, device, folder);
    listResults(io, [...results, ...await lossCurve(folder), ["run folder", folder]]);
    sayApart(io, "What to try next:");
    for (const line of demo.nextSteps(folder)) say(io, `   ${line}`);
  } finally {
    device.close();
  }
}

/** The entry of a run's loss curve; none where nothing was logged in time. */
async function lossCurve(folder: string): Promise<Result[]> {
  const path = curvePath(folder);
  return await exists(path) ? [["loss curve", path]] : [];
}

/** Trains for the seconds of the options; returns the run folder. */
async function trainFor<Run extends RunDescription>(
  io: Io,
  options: DemoOptions,
  prepared: PreparedRun<Run>,
  device: Device,
): Promise<string> {
  const { plan, title, columns } = prepared;
  const folder = await startRunFolder(options.resultsDir, title, plan);
  const progress = new Progress(io, {
    noun: "second",
    total: options.seconds,
    columns: {
      step: { label: "step", format: String },
      loss: fixed("loss", 4),
      ...columns,
      imagesPerSecond: amount("images/s"),
    },
    quiet: options.quiet,
    keep: (line) => appendLog(folder, line),
  });
  progress.note(`device: ${device.kind.name}, ${device.description}`);
  progress.note(`data: ${prepared.data}`);
  progress.note(`model: ${formatCount(prepared.parameters)} parameters, ${prepared.batch}`);
  const readings = (metrics: Metrics): Record<string, number> =>
    Object.fromEntries(
      ["loss", ...Object.keys(columns), "imagesPerSecond"].map((name) => [name, metrics[name]]),
    );
  using watch = watchSignals(io, "finishing this step and saving");
  const timeUp = new AbortController();
  let started = 0;
  const elapsed = () => Math.round((performance.now() - started) / 1000);
  let latest: Metrics | undefined;
  const trainer = await prepared.train(device, { ...plan, folder }, {
    signal: AbortSignal.any([watch.signal, timeUp.signal]),
    ready: () => {
      started = performance.now();
      setTimeout(() => timeUp.abort(), options.seconds * 1000);
    },
    step: (step) => progress.update(elapsed(), { step, ...latest && readings(latest) }),
    warning: (line) => progress.warn(line),
    checkpoint: (path) => progress.note(`saved ${path}`),
    metrics: (metrics) => {
      latest = metrics;
      progress.log(elapsed(), { step: metrics.step, ...readings(metrics) });
    },
  });
  progress.end();
  trainer.destroy();
  destroyState(trainer.state);
  if (watch.signal.aborted) throw watch.signal.reason;
  return folder;
}
