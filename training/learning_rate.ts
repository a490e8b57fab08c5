/**
 * Learning rates: a pure function of the step's number, so that a resumed run has nothing to restore.
 *
 * A rate rises linearly over the warm-up, reaches its peak at the warm-up's last step, and then
 * stays or falls along half a cosine to a minimum. The cosine's length is part of the schedule, not
 * the length of the run: a run that is prolonged later keeps the rates it has had.
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
  const { steps, minimum } = schedule;
  if (step >= steps) return minimum;
  const share = (step - warmup) / (steps - warmup);
  return minimum + (peak - minimum) * (1 + Math.cos(Math.PI * share)) / 2;
}
