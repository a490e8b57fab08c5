/**
 * Settings of a training run worked out from its flags, for any model.
 *
 * @module
 */
import type { ImageDataset } from "../data/dataset.ts";
import type { RunSchedule, SampleSchedule } from "../training/checkpoint.ts";
import type { RateSchedule } from "../training/learning_rate.ts";
import { UsageError } from "./errors.ts";
import type { TrainDitOptions } from "./train.ts";

/** Steps of a run when neither steps nor epochs are given. */
const defaultSteps = 2000;

/** The schedule that the flags ask for; where they say nothing, that of the run so far. */
export function schedule(
  values: TrainDitOptions,
  given: ReadonlySet<keyof TrainDitOptions>,
  dataset: ImageDataset,
  batchSize: number,
  before?: RunSchedule,
): RunSchedule {
  const epochs = values.epochs === undefined
    ? undefined
    : Math.ceil(values.epochs * dataset.length / batchSize);
  const chosen = (flag: "logEvery" | "ckptEvery" | "keep", earlier: number | undefined) =>
    given.has(flag) ? values[flag] : earlier ?? values[flag];
  return {
    steps: values.steps ?? epochs ?? before?.steps ?? defaultSteps,
    logEvery: chosen("logEvery", before?.logEvery),
    checkpointEvery: chosen("ckptEvery", before?.checkpointEvery),
    keep: chosen("keep", before?.keep),
    samples: sampleSchedule(values, given, before?.samples),
  };
}

function sampleSchedule(
  { sampleEvery, sampleSteps }: TrainDitOptions,
  given: ReadonlySet<keyof TrainDitOptions>,
  before?: SampleSchedule,
): SampleSchedule | undefined {
  const every = sampleEvery ?? before?.every ?? 0;
  if (every === 0) return undefined;
  return { every, steps: given.has("sampleSteps") ? sampleSteps : before?.steps ?? sampleSteps };
}

/** The number of parts of a batch, which must be equal. */
export function parts({ accumulate, globalBatchSize }: TrainDitOptions): number {
  if (globalBatchSize % accumulate === 0) return accumulate;
  const divisors = Array.from({ length: globalBatchSize }, (_, index) => index + 1)
    .filter((n) => globalBatchSize % n === 0);
  const nearest = [
    divisors.findLast((n) => n < accumulate),
    divisors.find((n) => n > accumulate),
  ].filter((n) => n !== undefined).join(" and ");
  throw new UsageError(
    `--accumulate ${accumulate} does not divide the batch of ${globalBatchSize} into equal parts; ` +
      `the nearest: ${nearest}`,
  );
}

/** The learning rates that the flags ask for; refuses flags that contradict each other. */
export function rateSchedule(
  { lrSchedule, warmup, lrMin, lrSteps }: TrainDitOptions,
  peak: number,
  runSteps: number,
): RateSchedule {
  const steps = lrSteps ?? runSteps;
  if (warmup >= steps) {
    throw new UsageError(
      `--warmup ${warmup} leaves nothing of ${steps} steps; at most ${steps - 1}`,
    );
  }
  if (lrSchedule === "constant") {
    const misplaced = lrMin !== undefined
      ? "--lr-min"
      : lrSteps !== undefined
      ? "--lr-steps"
      : undefined;
    if (misplaced) throw new UsageError(`${misplaced} is for --lr-schedule cosine`);
    return { kind: "constant", warmup };
  }
  const minimum = lrMin ?? 0;
  if (minimum > peak) {
    throw new UsageError(`--lr-min ${minimum} is above the learning rate; at most ${peak}`);
  }
  return { kind: "cosine", warmup, steps, minimum };
}
