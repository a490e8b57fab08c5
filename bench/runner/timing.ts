/**
 * Timing repeated work: an untimed warm-up, then samples of one or several runs.
 *
 * @module
 */
import type { Device } from "../../kernels/device.ts";

/** Shortest warm-up in ms: V8 needs it to compile the kernels a second time, optimised. */
const warmUpMilliseconds = 300;

/** Most runs in one sample: each is work queued without a wait. */
const maximumRunsPerSample = 200;

/** What happened before the clock counted. */
export interface WarmUp {
  /** Runs that were made. */
  readonly runs: number;
  /** All of them together. */
  readonly milliseconds: number;
  /** The first run by itself: lazy compilation included. */
  readonly firstMilliseconds: number;
  /** The last one, the best guess of a warm run. */
  readonly lastMilliseconds: number;
}

/** Runs work until it runs at its final speed. */
export async function warmUp(device: Device, run: () => void): Promise<WarmUp> {
  const times: number[] = [];
  let milliseconds = 0;
  while (milliseconds < warmUpMilliseconds || times.length < device.kind.warmUpRuns) {
    const time = await timeRuns(device, run, 1);
    times.push(time);
    milliseconds += time;
  }
  return {
    runs: times.length,
    milliseconds,
    firstMilliseconds: times[0],
    lastMilliseconds: times[times.length - 1],
  };
}

/** Wall time in ms of some runs, until the last result is there. */
export async function timeRuns(device: Device, run: () => void, count: number): Promise<number> {
  const start = performance.now();
  for (let index = 0; index < count; index++) run();
  await device.finish();
  return performance.now() - start;
}

/** Timed samples. */
export interface Timing {
  /** What happened before the clock counted. */
  readonly warmUp: WarmUp;
  /** Runs that a sample is the mean of. */
  readonly runsPerSample: number;
  /** Milliseconds a run, one number a repetition. */
  readonly samples: readonly number[];
}

/** Work that is timed. */
export interface RepeatedWork {
  /** Starts one execution. */
  run(): void;
  /** Executions after which the work repeats, which a sample is whole multiples of; else 1. */
  readonly period?: number;
}

/** Warms up and takes samples. */
export async function measure(
  device: Device,
  work: RepeatedWork,
  repetitions: number,
): Promise<Timing> {
  const [timing] = await measureInTurns(device, [work], repetitions);
  return timing;
}

/**
 * Warms up several works, then takes samples of them in turns, so that a slow moment of the machine
 * hits all of them.
 */
export async function measureInTurns(
  device: Device,
  works: readonly RepeatedWork[],
  repetitions: number,
): Promise<Timing[]> {
  const timings: (Timing & { readonly samples: number[] })[] = [];
  for (const { run, period = 1 } of works) {
    const warm = await warmUp(device, run);
    const wanted = Math.ceil(device.kind.sampleMilliseconds / warm.lastMilliseconds);
    const periods = Math.ceil(Math.min(wanted, maximumRunsPerSample) / period);
    timings.push({ warmUp: warm, runsPerSample: periods * period, samples: [] });
  }
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const [index, { runsPerSample, samples }] of timings.entries()) {
      samples.push(await timeRuns(device, works[index].run, runsPerSample) / runsPerSample);
    }
  }
  return timings;
}
