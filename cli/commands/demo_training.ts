/**
 * The training of a demo: a run like any other that ends when its time is up.
 *
 * @module
 */
import type { Device } from "../../kernels/device.ts";
import type { RunDescription } from "../../training/runs/manifest.ts";
import type { Metrics } from "../../training/runs/metrics.ts";
import { startRunFolder } from "../../training/runs/run.ts";
import { curvePath } from "../../training/runs/run_curve.ts";
import { exists } from "../../training/runs/run_folder.ts";
import { appendLog } from "../../training/runs/run_log.ts";
import { destroyState } from "../../training/step/trainer.ts";
import type { DemoOptions } from "./demo_flags.ts";
import type { Io } from "../terminal/io.ts";
import { amount, fixed, Progress } from "../terminal/progress.ts";
import { formatCount } from "../terminal/numbers.ts";
import { watchSignals } from "../terminal/signals.ts";
import type { PreparedRun } from "./train_run.ts";

/** A line about what the demo does. */
export const say = (io: Io, line: string): void => io.tell(line);

/** The same below an empty line. */
export function sayApart(io: Io, line: string): void {
  io.explain(`\n${line}`, { message: line });
}

/** Results of a demo with what they are, one a line. */
export function listResults(io: Io, results: readonly (readonly [what: string, path: string])[]) {
  sayApart(io, "Where everything is:");
  for (const [what, path] of results) io.out(`${what.padEnd(44)} ${path}`);
}

/** The entry of a run's loss curve for {@link listResults}; none where nothing was logged in time. */
export async function lossCurve(folder: string): Promise<[what: string, path: string][]> {
  const path = curvePath(folder);
  return await exists(path) ? [["loss curve", path]] : [];
}

/** More steps than any demo makes: it ends when its time is up. */
export const stepsWithoutEnd = 1_000_000;

/** Trains for the seconds of the options; returns the run folder. */
export async function trainFor<Run extends RunDescription>(
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
