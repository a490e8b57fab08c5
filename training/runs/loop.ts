/**
 * The training loop: batches in, steps on the device, metrics and checkpoints out.
 *
 * @module
 */
import { join } from "@std/path";
import type { BatchSource, DataPosition, TrainingBatch } from "./batch_source.ts";
import { writeCheckpoint } from "../checkpoints/checkpoint.ts";
import { learningRateAt } from "../step/learning_rate.ts";
import type { RunDescription, RunSchedule } from "../checkpoints/manifest.ts";
import { appendMetrics, type Metrics } from "./metrics.ts";
import {
  checkpointName,
  checkpointsFolder,
  exists,
  latestCheckpoint,
  recordCheckpoint,
} from "./run_folder.ts";
import { Pace } from "../../kernels/pace.ts";
import { RunClock, type RunTime } from "./run_time.ts";
import type { Trainer } from "../step/trainer.ts";

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
  /** Where the data of the first step starts, if its number does not tell. */
  readonly position?: DataPosition;
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
  /** Measures on held-out data; called at the steps that the schedule names and at the last one. */
  evaluate?(): Promise<Readonly<Record<string, number>>>;
  /** What an evaluation has measured. */
  evaluated?(step: number, measures: Readonly<Record<string, number>>): void;
  /** What went wrong without ending the run, in one line, such as a picture that is left out. */
  warning?(line: string): void;
  /** At the end of the run, also of a stopped one. */
  finished?(time: RunTime): void;
  /** Asks the loop to save and end after the current step. */
  readonly signal?: AbortSignal;
}

/**
 * Trains until the last step or until the signal, and saves; returns the number of steps made in all.
 * When something fails between steps, such as reading the data, what the run has is saved as well.
 *
 * A checkpoint is never written right after a skipped step whose loss is not finite: the step before
 * it may have ruined the weights.
 *
 * @throws NonFiniteLossError after a long stretch of skipped steps, and when the run ends in one
 */
export async function trainLoop(
  trainer: Trainer,
  source: BatchSource,
  settings: LoopSettings,
  events: LoopEvents = {},
): Promise<number> {
  const clock = new RunClock();
  const firstStep = trainer.step;
  const log = new Log(trainer, source, settings, clock);
  let { position } = settings;
  // Within a step some states may be new and others old, which no checkpoint must hold.
  let isBetweenSteps = true;
  const pace = new Pace(trainer.device);
  const save = async () => {
    const { folder } = settings;
    if (folder === undefined || !await trainer.isSound()) return;
    const { step } = trainer;
    if (await exists(join(checkpointsFolder(folder), checkpointName(step)))) return;
    const path = await clock.measure(
      "checkpoints",
      () => saveCheckpoint(trainer, folder, settings, position),
    );
    await events.checkpoint?.(path, step);
  };
  const draw = async () => {
    if (!events.draw) return;
    await trainer.device.finish();
    await clock.measure("samples", () => events.draw!(trainer.step));
  };
  const evaluate = async () => {
    await trainer.device.finish();
    const measures = await clock.measure("evaluations", () => events.evaluate!());
    events.evaluated?.(trainer.step, measures);
    return measures;
  };
  const makeStep = async () => {
    const batch = await source.next();
    isBetweenSteps = false;
    trainer.runStep(batch.inputs);
    log.count(batch);
    position = batch.next;
    isBetweenSteps = true;
    await pace.afterRun();
    events.step?.(trainer.step);
    const isLast = trainer.step === settings.steps;
    const { evaluations } = settings;
    const isEvaluated = events.evaluate !== undefined && evaluations !== undefined &&
      (isLast || trainer.step % evaluations.every === 0);
    if (isLast || isEvaluated || trainer.step % settings.logEvery === 0) {
      const metrics = await log.write(isEvaluated ? evaluate : undefined);
      events.metrics?.(metrics);
    }
    if (isLast || trainer.step % settings.checkpointEvery === 0) await save();
    if (settings.samples && (isLast || trainer.step % settings.samples.every === 0)) await draw();
  };
  try {
    while (trainer.step < settings.steps && !events.signal?.aborted) await makeStep();
  } catch (error) {
    // What ends the run comes first: that the rest cannot be saved either is no news.
    if (isBetweenSteps && trainer.step > firstStep) await save().catch(() => {});
    throw error;
  }
  await trainer.device.finish();
  if (!await trainer.isSound()) {
    throw await nonFiniteLoss(trainer, settings.folder);
  }
  await save();
  events.finished?.({
    steps: trainer.step - firstStep,
    seconds: clock.seconds,
    dataWait: source.waitSeconds,
    checkpoints: clock.secondsOf("checkpoints"),
    checkpointCount: clock.countOf("checkpoints"),
    samples: clock.secondsOf("samples"),
    evaluations: clock.secondsOf("evaluations"),
  });
  return trainer.step;
}

/** Writes the checkpoint of the current step. */
async function saveCheckpoint(
  { state, step }: Trainer,
  folder: string,
  { manifest, steps, logEvery, checkpointEvery, keep, samples, evaluations }: LoopSettings,
  position: DataPosition | undefined,
): Promise<string> {
  const [parent, name] = [checkpointsFolder(folder), checkpointName(step)];
  const schedule = { steps, logEvery, checkpointEvery, keep, samples, evaluations };
  const path = await writeCheckpoint(parent, name, state, {
    ...manifest,
    step,
    schedule,
    position,
  });
  await recordCheckpoint(folder, name, keep);
  return path;
}

async function nonFiniteLoss(
  trainer: Trainer,
  folder: string | undefined,
): Promise<NonFiniteLossError> {
  const skipped = await trainer.skippedInARow();
  const what = await trainer.isSound()
    ? "gradients have, however small their scale, not been finite"
    : "the loss has not been finite";
  const good = folder === undefined ? undefined : await latestCheckpoint(folder);
  return new NonFiniteLossError(
    `${what} for ${skipped} steps up to step ${trainer.step}; ` +
      (good ? `the last good checkpoint is ${good}` : "there is no checkpoint from before") +
      "; try a lower learning rate",
  );
}

/** Turns running sums into metrics: those of the device, and those of the host about its batches. */
class Log {
  #last = performance.now();
  #lastStep: number;
  #lastWait: number;
  #lastCheckpoints = 0;
  #images = 0;
  readonly #measures = new Map<string, number>();

  readonly #trainer: Trainer;
  readonly #source: BatchSource;
  readonly #settings: LoopSettings;
  readonly #clock: RunClock;

  constructor(
    trainer: Trainer,
    source: BatchSource,
    settings: LoopSettings,
    clock: RunClock,
  ) {
    this.#trainer = trainer;
    this.#source = source;
    this.#settings = settings;
    this.#clock = clock;
    this.#lastStep = trainer.step;
    this.#lastWait = source.waitSeconds;
  }

  /** Adds what the host knows about the batch of a step. */
  count({ images, measures = {} }: TrainingBatch): void {
    this.#images += images;
    for (const [name, value] of Object.entries(measures)) {
      this.#measures.set(name, (this.#measures.get(name) ?? 0) + value);
    }
  }

  /**
   * Reads the sums, appends a line to the metrics and checks that the run is healthy.
   *
   * @param evaluate gives more for the line; its time is not that of training
   */
  async write(evaluate?: () => Promise<Readonly<Record<string, number>>>): Promise<Metrics> {
    const [trainer, { folder }] = [this.#trainer, this.#settings];
    const sums = await trainer.takeSums();
    const lossScale = await trainer.lossScale();
    const trained = {
      ...this.#metrics(sums),
      ...(lossScale !== undefined && { lossScale }),
    };
    const metrics = evaluate === undefined ? trained : { ...trained, ...await evaluate() };
    this.#last = performance.now();
    if (folder !== undefined) appendMetrics(folder, metrics);
    const skipped = sums.get("skippedInARow")!;
    if (skipped >= longestSkippedStretch) {
      throw await nonFiniteLoss(trainer, folder);
    }
    return metrics;
  }

  #metrics(sums: ReadonlyMap<string, number>): Metrics {
    const [trainer, source, clock] = [this.#trainer, this.#source, this.#clock];
    const steps = trainer.step - this.#lastStep;
    const { skipped = 0, skippedInARow: _, ...measured } = Object.fromEntries(sums);
    const means = (values: Iterable<[string, number]>, count: number) =>
      Object.fromEntries(Array.from(values, ([name, sum]) => [name, sum / count]));
    const now = performance.now();
    const seconds = (now - this.#last) / 1000;
    const { learningRate, rateSchedule } = this.#settings.manifest.run;
    const { loss, ...terms } = means(Object.entries(measured), steps - skipped);
    const metrics: Metrics = {
      step: trainer.step,
      loss,
      ...terms,
      ...means(this.#measures, steps),
      gradientNorm: terms.gradientNorm,
      learningRate: learningRateAt(trainer.step, learningRate, rateSchedule),
      skippedSteps: skipped,
      imagesPerSecond: this.#images / seconds,
      seconds: clock.seconds,
      dataWait: (source.waitSeconds - this.#lastWait) / seconds,
      checkpointing: (clock.secondsOf("checkpoints") - this.#lastCheckpoints) / seconds,
    };
    this.#lastStep = trainer.step;
    this.#lastWait = source.waitSeconds;
    this.#lastCheckpoints = clock.secondsOf("checkpoints");
    this.#images = 0;
    this.#measures.clear();
    return metrics;
  }
}
