/**
 * Settings of a training run worked out from its flags, for any model.
 *
 * @module
 */
import type { RunSchedule, SampleSchedule } from "../../training/checkpoints/manifest.ts";
import type { CommonSettings } from "../../training/checkpoints/settings.ts";
import { constantRate, type RateSchedule } from "../../training/step/learning_rate.ts";
import { UsageError } from "../terminal/errors.ts";
import type { Values } from "./flags.ts";
import type { CommonTrainFlags } from "./train_flags.ts";

type CommonTrainOptions = Values<CommonTrainFlags>;

/** Steps of a run when neither steps nor epochs are given. */
const defaultSteps = 2000;

/**
 * The schedule that the flags ask for; where they say nothing, that of the run so far.
 *
 * @param stepsPerEpoch steps that see each picture once
 */
export function schedule(
  values: CommonTrainOptions,
  given: ReadonlySet<string>,
  stepsPerEpoch: number,
  before?: RunSchedule,
): RunSchedule {
  const epochs = values.epochs === undefined ? undefined : Math.ceil(values.epochs * stepsPerEpoch);
  const chosen = (flag: "logEvery" | "ckptEvery" | "keep", earlier: number | undefined) =>
    given.has(flag) ? values[flag] : earlier ?? values[flag];
  return {
    steps: values.steps ?? epochs ?? before?.steps ?? defaultSteps,
    logEvery: chosen("logEvery", before?.logEvery),
    checkpointEvery: chosen("ckptEvery", before?.checkpointEvery),
    keep: chosen("keep", before?.keep),
  };
}

/** Values of the flags of families that draw during a run. */
interface SampleValues {
  readonly sampleEvery: number | undefined;
  readonly numSamplingSteps: number;
}

/** When the flags want pictures drawn; where they say nothing, as in the run so far. */
export function sampleSchedule(
  { sampleEvery, numSamplingSteps }: SampleValues,
  given: ReadonlySet<string>,
  before?: SampleSchedule,
): SampleSchedule | undefined {
  const every = sampleEvery ?? before?.every ?? 0;
  if (every === 0) return undefined;
  return {
    every,
    steps: given.has("numSamplingSteps") ? numSamplingSteps : before?.steps ?? numSamplingSteps,
  };
}

/**
 * The number of parts of a batch, which must be equal.
 *
 * @param size what is divided @param what how messages call it, such as `the batch of 64`
 */
export function parts(accumulate: number, size: number, what: string): number {
  if (size % accumulate === 0) return accumulate;
  const divisors = Array.from({ length: size }, (_, index) => index + 1)
    .filter((n) => size % n === 0);
  const nearest = [
    divisors.findLast((n) => n < accumulate),
    divisors.find((n) => n > accumulate),
  ].filter((n) => n !== undefined).join(" and ");
  throw new UsageError(
    `--accumulate ${accumulate} does not divide ${what} into equal parts; ` +
      `the nearest: ${nearest}`,
  );
}

/**
 * The settings of a run that goes on, with those that flags replace. A schedule keeps what flags do
 * not name, as far as the new kind has it.
 *
 * @param steps of the run in all
 */
export function changedSettings<Settings extends CommonSettings>(
  values: CommonTrainOptions,
  given: ReadonlySet<string>,
  run: Settings,
  steps: number,
): Settings {
  const chosen = <K extends keyof CommonTrainOptions>(name: K) =>
    given.has(name) ? values[name] : undefined;
  const learningRate = chosen("lr") ?? run.learningRate;
  const bends = [...given].some((name) => rateFlags.has(name));
  return {
    ...run,
    learningRate,
    weightDecay: chosen("weightDecay") ?? run.weightDecay,
    clipNorm: chosen("clipGrad") ?? run.clipNorm,
    averageDecay: chosen("emaDecay") ?? run.averageDecay,
    rateSchedule: bends
      ? changedSchedule(values, given, run.rateSchedule ?? constantRate, learningRate, steps)
      : run.rateSchedule,
  };
}

/** Flags that change how the learning rate goes on. */
const rateFlags: ReadonlySet<string> = new Set([
  ...["lr", "lrSchedule", "warmup", "lrMin", "lrSteps", "lrTimescale", "lrCooldown"],
]);

function changedSchedule(
  values: CommonTrainOptions,
  given: ReadonlySet<string>,
  before: RateSchedule,
  peak: number,
  steps: number,
): RateSchedule {
  const kind = given.has("lrSchedule") ? values.lrSchedule : before.kind;
  const kept = kind === before.kind ? scheduleValues(before) : { warmup: before.warmup };
  const flags = Object.fromEntries([...given].map((name) => [name, Object(values)[name]]));
  const merged = { ...values, ...kept, ...flags, lrSchedule: kind };
  return rateSchedule(merged, new Set(["warmup"]), peak, steps);
}

/** The flags that make a schedule. */
function scheduleValues(schedule: RateSchedule): Partial<CommonTrainOptions> {
  const { warmup } = schedule;
  switch (schedule.kind) {
    case "constant":
      return { warmup };
    case "cosine":
      return { warmup, lrSteps: schedule.steps, lrMin: schedule.minimum };
    case "rsqrt":
      return {
        warmup,
        lrSteps: schedule.steps,
        lrTimescale: schedule.timescale,
        lrCooldown: schedule.cooldown,
      };
  }
}

/** Flags of schedules that not every schedule has. */
const scheduleFlags = [
  { flag: "lrMin", usage: "--lr-min", kinds: ["cosine"] },
  { flag: "lrSteps", usage: "--lr-steps", kinds: ["cosine", "rsqrt"] },
  { flag: "lrTimescale", usage: "--lr-timescale", kinds: ["rsqrt"] },
  { flag: "lrCooldown", usage: "--lr-cooldown", kinds: ["rsqrt"] },
] as const;

/** The longest default timescale of the reciprocal square root, that of the paper's siblings. */
const longestTimescale = 10_000;

/** The learning rates that the flags ask for; refuses flags that contradict each other. */
export function rateSchedule(
  values: CommonTrainOptions,
  given: ReadonlySet<string>,
  peak: number,
  runSteps: number,
): RateSchedule {
  const { lrSchedule: kind, lrMin: minimum = 0, lrSteps: steps = runSteps } = values;
  const misplaced = scheduleFlags.find(({ flag, kinds }) =>
    values[flag] !== undefined && !kinds.some((candidate) => candidate === kind)
  );
  if (misplaced) {
    throw new UsageError(`${misplaced.usage} is for --lr-schedule ${misplaced.kinds.join(" or ")}`);
  }
  // A default must not stand in the way of a short run.
  const warmup = given.has("warmup")
    ? values.warmup
    : Math.min(values.warmup, Math.floor(steps / 5));
  if (warmup >= steps) {
    throw new UsageError(
      `--warmup ${warmup} leaves nothing of ${steps} steps; at most ${steps - 1}`,
    );
  }
  if (kind === "constant") return { kind, warmup };
  if (kind === "rsqrt") {
    const { lrTimescale, lrCooldown } = values;
    return {
      kind,
      warmup,
      steps,
      timescale: lrTimescale ?? Math.min(longestTimescale, Math.ceil(steps / 10)),
      cooldown: lrCooldown ?? Math.floor(steps / 5),
    };
  }
  if (minimum > peak) {
    throw new UsageError(`--lr-min ${minimum} is above the learning rate; at most ${peak}`);
  }
  return { kind, warmup, steps, minimum };
}
