/**
 * The training loop: batches in, steps on the device, metrics and checkpoints out.
 *
 * @module
 */
import { join } from "@std/path";
import { createLoader, type Loader } from "../data/loader.ts";
import type { ImageDataset } from "../data/dataset.ts";
import { type RunDescription, type RunSchedule, writeCheckpoint } from "./checkpoint.ts";
import { sumColumns } from "./step_graphs.ts";
import { learningRateAt } from "./learning_rate.ts";
import { appendMetrics, type Metrics } from "./metrics.ts";
import {
  checkpointName,
  checkpointsFolder,
  exists,
  latestCheckpoint,
  recordCheckpoint,
} from "./run_folder.ts";
import { seedWords } from "../diffusion/streams.ts";
import { Pace } from "../kernels/pace.ts";
import { RunClock, type RunTime } from "./run_time.ts";
import type { Trainer } from "./trainer.ts";

/** A loss that is not a number ends the run; the checkpoints before it stay. */
export class NonFiniteLossError extends Error {
  /** Shown before the message. */
  override readonly name = "NonFiniteLossError";
  /** Exit code of the command line. */
  readonly exitCode = 3;
}

/** So many skipped steps in a row end a run. */
const longestSkippedStretch = 20;

/** Settings of the loop. */
export interface LoopSettings extends RunSchedule {
  /** Run folder; nothing is written when absent. */
  readonly folder?: string;
  /** What a checkpoint says about the run. */
  readonly manifest: RunDescription;
}

/** What the loop tells its caller. */
export interface LoopEvents {
  /** After every step. */
  step?(step: number): void;
  /** At every log. */
  metrics?(metrics: Metrics): void;
  /** After a checkpoint was written. */
  checkpoint?(path: string, step: number): void | Promise<void>;
  /** Draws pictures; called after the steps that the schedule names and after the last one. */
  draw?(step: number): Promise<void>;
  /** At the end of the run, also of a stopped one. */
  finished?(time: RunTime): void;
  /** Asks the loop to save and end after the current step. */
  readonly signal?: AbortSignal;
}

/**
 * Trains until the last step or until the signal, and saves; returns the number of steps made in all.
 *
 * A checkpoint is never written right after a skipped step: the step before it may have ruined the
 * weights.
 *
 * @throws NonFiniteLossError after a long stretch of skipped steps, and when the run ends in one
 */
export async function trainLoop(
  trainer: Trainer,
  dataset: ImageDataset,
  settings: LoopSettings,
  events: LoopEvents = {},
): Promise<number> {
  const { seed, batchSize, flip } = settings.manifest.run;
  const loader = createLoader(dataset, { seed, batchSize, startStep: trainer.step, flip });
  trainer.writeInput("seed", seedWords(seed));
  const clock = new RunClock();
  const firstStep = trainer.step;
  const log = new Log(trainer, loader, settings, clock);
  const pace = new Pace(trainer.device);
  const save = async () => {
    const { folder } = settings;
    if (folder === undefined || await trainer.skippedInARow() > 0) return;
    const { step } = trainer;
    if (await exists(join(checkpointsFolder(folder), checkpointName(step)))) return;
    const path = await clock.measure(
      "checkpoints",
      () => saveCheckpoint(trainer, folder, settings),
    );
    await events.checkpoint?.(path, step);
  };
  const draw = async () => {
    if (!events.draw) return;
    await trainer.device.finish();
    await clock.measure("samples", () => events.draw!(trainer.step));
  };
  while (trainer.step < settings.steps && !events.signal?.aborted) {
    const { images, labels } = await loader.next();
    const samples = Int32Array.from(labels, (_, index) => trainer.step * batchSize + index);
    trainer.runStep({ images, labels, samples });
    await pace.afterRun();
    events.step?.(trainer.step);
    const isLast = trainer.step === settings.steps;
    if (isLast || trainer.step % settings.logEvery === 0) {
      const metrics = await log.write();
      events.metrics?.(metrics);
    }
    if (isLast || trainer.step % settings.checkpointEvery === 0) await save();
    if (settings.samples && (isLast || trainer.step % settings.samples.every === 0)) await draw();
  }
  await trainer.device.finish();
  const skipped = await trainer.skippedInARow();
  if (skipped > 0) throw await nonFiniteLoss(skipped, trainer.step, settings.folder);
  await save();
  events.finished?.({
    steps: trainer.step - firstStep,
    seconds: clock.seconds,
    dataWait: loader.waitSeconds,
    checkpoints: clock.secondsOf("checkpoints"),
    checkpointCount: clock.countOf("checkpoints"),
    samples: clock.secondsOf("samples"),
  });
  return trainer.step;
}

/** Writes the checkpoint of the current step. */
async function saveCheckpoint(
  { state, step }: Trainer,
  folder: string,
  { manifest, steps, logEvery, checkpointEvery, keep, samples }: LoopSettings,
): Promise<string> {
  const [parent, name] = [checkpointsFolder(folder), checkpointName(step)];
  const schedule = { steps, logEvery, checkpointEvery, keep, samples };
  const path = await writeCheckpoint(parent, name, state, { ...manifest, step, schedule });
  await recordCheckpoint(folder, name, keep);
  return path;
}

async function nonFiniteLoss(
  skipped: number,
  step: number,
  folder: string | undefined,
): Promise<NonFiniteLossError> {
  const good = folder === undefined ? undefined : await latestCheckpoint(folder);
  return new NonFiniteLossError(
    `the loss has not been finite for ${skipped} steps up to step ${step}; ` +
      (good ? `the last good checkpoint is ${good}` : "there is no checkpoint from before") +
      "; try a lower learning rate",
  );
}

/** Turns the running sums into metrics. */
class Log {
  private last = performance.now();
  private lastStep: number;
  private lastWait: number;
  private lastCheckpoints = 0;

  constructor(
    private readonly trainer: Trainer,
    private readonly loader: Loader,
    private readonly settings: LoopSettings,
    private readonly clock: RunClock,
  ) {
    this.lastStep = trainer.step;
    this.lastWait = loader.waitSeconds;
  }

  /** Reads the sums, appends a line to the metrics and checks that the run is healthy. */
  async write(): Promise<Metrics> {
    const { trainer, loader, settings, clock } = this;
    const sums = await trainer.takeSums();
    const column = (name: typeof sumColumns[number]) => sums[sumColumns.indexOf(name)];
    const steps = trainer.step - this.lastStep;
    const skippedSteps = column("skipped");
    const mean = (name: typeof sumColumns[number]) => column(name) / (steps - skippedSteps);
    const now = performance.now();
    const seconds = (now - this.last) / 1000;
    const { batchSize, learningRate, rateSchedule } = settings.manifest.run;
    const metrics: Metrics = {
      step: trainer.step,
      loss: mean("loss"),
      meanSquaredError: mean("meanSquaredError"),
      variationalBound: mean("variationalBound"),
      gradientNorm: mean("gradientNorm"),
      learningRate: learningRateAt(trainer.step, learningRate, rateSchedule),
      skippedSteps,
      imagesPerSecond: steps * batchSize / seconds,
      seconds: clock.seconds,
      dataWait: (loader.waitSeconds - this.lastWait) / seconds,
      checkpointing: (clock.secondsOf("checkpoints") - this.lastCheckpoints) / seconds,
    };
    this.last = now;
    this.lastStep = trainer.step;
    this.lastWait = loader.waitSeconds;
    this.lastCheckpoints = clock.secondsOf("checkpoints");
    if (settings.folder !== undefined) await appendMetrics(settings.folder, metrics);
    const skipped = column("skippedInARow");
    if (skipped >= longestSkippedStretch) {
      throw await nonFiniteLoss(skipped, trainer.step, settings.folder);
    }
    return metrics;
  }
}
