/**
 * The Pareto front: what cannot be beaten in accuracy without paying more.
 *
 * @module
 */

/** Something that has a price. */
export interface CostedAccuracy {
  /** Any unit, the same for all; less is better. */
  readonly cost: number;
  /** More is better. */
  readonly accuracy: number;
}

/**
 * Those points that are more accurate than every point of the same or less cost, the cheapest first.
 * Of equal points the first one is kept.
 *
 * @example
 * ```ts
 * import { paretoFront } from "./pareto.ts";
 *
 * paretoFront([
 *   { cost: 2, accuracy: 0.6 },
 *   { cost: 1, accuracy: 0.7 },
 *   { cost: 4, accuracy: 0.8 },
 * ]); // the second and the third
 * ```
 */
export function paretoFront<T extends CostedAccuracy>(points: readonly T[]): T[] {
  const ordered = points.toSorted((a, b) => a.cost - b.cost || b.accuracy - a.accuracy);
  let best = -Infinity;
  return ordered.filter(({ accuracy }) => {
    const isBetter = accuracy > best;
    best = Math.max(best, accuracy);
    return isBetter;
  });
}
