/**
 * Statistics of a few samples: timings, accuracies of several seeds.
 *
 * @module
 */

/** What is reported about samples, in their unit. */
export interface Summary {
  /** Arithmetic mean. */
  readonly mean: number;
  /** Standard deviation of the samples (n - 1 in the denominator); 0 for a single one. */
  readonly deviation: number;
  /** Smallest sample. */
  readonly minimum: number;
  /** Middle sample, or the mean of the middle two. */
  readonly median: number;
}

/**
 * Summarises samples.
 *
 * @throws RangeError when there are none
 */
export function summarize(samples: readonly number[]): Summary {
  const count = samples.length;
  if (count === 0) throw new RangeError("summarize: no samples");
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / count;
  const squares = samples.reduce((sum, sample) => sum + (sample - mean) ** 2, 0);
  return {
    mean,
    deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : 0,
    minimum: Math.min(...samples),
    median: medianOf(samples),
  };
}

function medianOf(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
