/**
 * Where the time of a run goes: shares of it that are not training steps.
 *
 * @module
 */

/** What a run spends time on besides its steps. */
export type Pastime = "checkpoints" | "samples" | "evaluations";

/** The time of a run since its process started training. */
export interface RunTime {
  /** Steps made in that time. */
  readonly steps: number;
  /** All of it. */
  readonly seconds: number;
  /** Spent waiting for training data. */
  readonly dataWait: number;
  /** Spent writing checkpoints, the device idle. */
  readonly checkpoints: number;
  /** Checkpoints written. */
  readonly checkpointCount: number;
  /** Spent drawing and writing pictures. */
  readonly samples: number;
  /** Spent on evaluations. */
  readonly evaluations: number;
}

/** Stopwatches of the pastimes. */
export class RunClock {
  readonly started: number = performance.now();
  readonly #spent: Record<Pastime, number> = { checkpoints: 0, samples: 0, evaluations: 0 };
  readonly #counts: Record<Pastime, number> = { checkpoints: 0, samples: 0, evaluations: 0 };

  /** Seconds since the start. */
  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  /** Seconds spent on a pastime so far. */
  secondsOf(pastime: Pastime): number {
    return this.#spent[pastime];
  }

  /** How often there was something to do. */
  countOf(pastime: Pastime): number {
    return this.#counts[pastime];
  }

  /** Does something and counts its time. Work of the device must be finished before. */
  async measure<Result>(pastime: Pastime, work: () => Promise<Result>): Promise<Result> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.#spent[pastime] += (performance.now() - start) / 1000;
      this.#counts[pastime]++;
    }
  }
}
