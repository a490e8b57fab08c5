/**
 * Learning rates: a pure function of the step's number, so that a resumed run has nothing to restore.
 *
 * A rate rises linearly over the warm-up, reaches its peak at the warm-up's last step, and then
 * stays, falls along half a cosine to a minimum, or falls as the reciprocal square root of the step
 * with a linear cooldown at the end. Where a schedule ends is part of the schedule, not the length
 * of the run: a run that is prolonged later keeps the rates it has had.
 *
 * @module
 */

/** How the learning rate changes over the steps. */
export type RateSchedule =
  | {
    /** The peak from the end of the warm-up on. */
    readonly kind: "constant";
    /** Steps over which the rate rises from 0; 0 starts at the peak. */
    readonly warmup: number;
  }
  | {
    /** From the peak to `minimum` along half a cosine. */
    readonly kind: "cosine";
    /** Steps over which the rate rises from 0; 0 starts at the peak. */
    readonly warmup: number;
    /** The step at which the rate is `minimum`, where it stays; warm-up included. */
    readonly steps: number;
    /** The last rate. */
    readonly minimum: number;
  }
  | {
    /** Reciprocal square root: peak / sqrt(1 + (step - warmup) / timescale) (NaViT, appendix A). */
    readonly kind: "rsqrt";
    /** Steps over which the rate rises from 0; 0 starts at the peak. */
    readonly warmup: number;
    /** Steps after the warm-up until the rate is peak / sqrt(2). */
    readonly timescale: number;
    /** The step at which the rate is 0, where it stays. */
    readonly steps: number;
    /** Steps before that end over which the rate falls linearly; 0 leaves the rate as it is. */
    readonly cooldown: number;
  };

/** The rate of a run without a schedule. */
export const constantRate: RateSchedule = { kind: "constant", warmup: 0 };

/**
 * The learning rate of update number `step`, counted from 1.
 *
 * @param peak the rate at the end of the warm-up
 */
export function learningRateAt(
  step: number,
  peak: number,
  schedule: RateSchedule = constantRate,
): number {
  const { kind, warmup } = schedule;
  if (step < warmup) return peak * step / warmup;
  if (kind === "constant") return peak;
  if (kind === "rsqrt") {
    const { timescale, steps, cooldown } = schedule;
    const left = cooldown === 0 ? 1 : Math.min(1, Math.max(0, steps - step) / cooldown);
    return left * peak / Math.sqrt(1 + (step - warmup) / timescale);
  }
  const { steps, minimum } = schedule;
  if (step >= steps) return minimum;
  const share = (step - warmup) / (steps - warmup);
  return minimum + (peak - minimum) * (1 + Math.cos(Math.PI * share)) / 2;
}

/** The step from which on the rate is 0; undefined where it never comes to that. */
export function stepOfZeroRate(peak: number, schedule: RateSchedule): number | undefined {
  if (schedule.kind === "constant") return undefined;
  return learningRateAt(schedule.steps, peak, schedule) === 0 ? schedule.steps : undefined;
}
