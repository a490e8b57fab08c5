/**
 * Comparing tensors with what another program computed.
 *
 * @module
 */
import type { HostArray } from "../../kernels/shape.ts";
import type { Expected } from "./case_file.ts";

/** How far a tensor is from the expected one. */
export interface Comparison {
  /** Name of the tensor in the case file. */
  readonly name: string;
  /** Sizes of its axes. */
  readonly shape: readonly number[];
  /** Largest absolute difference; null when something computed is not finite. */
  readonly maximumError: number | null;
  /**
   * The largest difference as a part of the largest expected magnitude (of 1 where everything
   * expected is zero); null when something computed is not finite.
   */
  readonly relativeError: number | null;
  /** Largest magnitude expected. */
  readonly magnitude: number;
  /** Whether the relative error is at most the tolerance. */
  readonly passed: boolean;
}

/** Compares a tensor with the expected one of the same length, where that means something. */
export function compareTensor(
  { name, shape, values: expected, isCompared }: Expected,
  actual: HostArray,
  tolerance: number,
): Comparison {
  let [difference, magnitude, finite] = [0, 0, true];
  for (let index = 0; index < expected.length; index++) {
    if (isCompared && !isCompared(index)) continue;
    finite &&= Number.isFinite(actual[index]);
    difference = Math.max(difference, Math.abs(actual[index] - expected[index]));
    magnitude = Math.max(magnitude, Math.abs(expected[index]));
  }
  const relativeError = difference / (magnitude || 1);
  return {
    name,
    shape,
    maximumError: finite ? difference : null,
    relativeError: finite ? relativeError : null,
    magnitude,
    passed: finite && relativeError <= tolerance,
  };
}
