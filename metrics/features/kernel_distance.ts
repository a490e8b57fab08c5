/**
 * The kernel distance of features (Bińkowski et al., "Demystifying MMD GANs", 2018, section 4): the
 * squared maximum mean discrepancy with the kernel (x y / d + 1)³, whose estimate has no bias, so that
 * it does not depend on the number of samples and may be below 0.
 *
 * @module
 */
import { philox } from "../../base/philox.ts";
import { summarize, type Summary } from "../../base/statistics.ts";
import { type ComparedFeatures, requireComparable, type Row, rowOf } from "./feature_matrix.ts";

/** Which samples are compared. */
export interface KernelDistanceOptions {
  /** How many times subsets are drawn; 100 when absent. */
  readonly subsets?: number;
  /** Samples of a subset, at most as many as there are; 1,000 when absent. */
  readonly size?: number;
  /** Chooses the subsets; 0 when absent. */
  readonly seed?: number;
}

/**
 * The kernel distance: the mean over subsets, drawn without putting back, and its deviation.
 *
 * @throws RangeError for fewer than two samples in a set or subset, or no subsets
 *
 * @example
 * ```ts
 * import { kernelDistance } from "./kernel_distance.ts";
 *
 * const values = Float64Array.of(0, 1, 2, 3);
 * const samples = { rows: 4, columns: 1, values };
 * kernelDistance({ real: samples, generated: samples }).mean; // below 0, as pairs of one are left out
 * ```
 */
export function kernelDistance(
  compared: ComparedFeatures,
  { subsets = 100, size = 1000, seed = 0 }: KernelDistanceOptions = {},
): Summary {
  requireComparable(compared, 2);
  const { real, generated } = compared;
  const taken = Math.min(size, real.rows, generated.rows);
  if (!Number.isSafeInteger(taken) || taken < 2 || !Number.isSafeInteger(subsets) || subsets < 1) {
    throw new RangeError(`${subsets} subsets of ${size} samples: give 1 or more, of 2 or more`);
  }
  // Subsets of all samples are all the same.
  const isWhole = taken === real.rows && taken === generated.rows;
  return summarize(Array.from({ length: isWhole ? 1 : subsets }, (_, subset) =>
    squaredDiscrepancy(
      chosen(real.rows, taken, [seed, 2 * subset]).map((row) => rowOf(real, row)),
      chosen(generated.rows, taken, [seed, 2 * subset + 1]).map((row) => rowOf(generated, row)),
    )));
}

/** Numbers below `length`, `count` of them, none twice, in the order in which they are drawn. */
function chosen(length: number, count: number, [seed, draw]: readonly [number, number]): number[] {
  const numbers = Array.from({ length }, (_, index) => index);
  for (let index = 0; index < count; index++) {
    const [word] = philox([index, draw, 0, 0], seed, Math.floor(seed / 2 ** 32));
    const other = index + Math.floor(word / 2 ** 32 * (length - index));
    [numbers[index], numbers[other]] = [numbers[other], numbers[index]];
  }
  return numbers.slice(0, count);
}

/** The estimate without bias: pairs of a sample with itself are left out. */
function squaredDiscrepancy(real: readonly Row[], generated: readonly Row[]): number {
  return meanOfPairs(real) + meanOfPairs(generated) - 2 * meanBetween(real, generated);
}

function meanOfPairs(samples: readonly Row[]): number {
  let sum = 0;
  for (let one = 0; one < samples.length; one++) {
    for (let other = 0; other < one; other++) sum += kernel(samples[one], samples[other]);
  }
  return 2 * sum / (samples.length * (samples.length - 1));
}

function meanBetween(a: readonly Row[], b: readonly Row[]): number {
  let sum = 0;
  for (const one of a) {
    for (const other of b) sum += kernel(one, other);
  }
  return sum / (a.length * b.length);
}

function kernel(x: Row, y: Row): number {
  let product = 0;
  for (let index = 0; index < x.length; index++) product += x[index] * y[index];
  return (product / x.length + 1) ** 3;
}
