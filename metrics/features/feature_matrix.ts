/**
 * Features of pictures or clips: a row each, as a network puts them out.
 *
 * @module
 */
import { firstNonFinite } from "../../base/finite.ts";

/** Features, a row a sample. */
export interface FeatureMatrix {
  /** Samples. */
  readonly rows: number;
  /** Features of a sample. */
  readonly columns: number;
  /** (rows, columns), row-major. */
  readonly values: Float32Array | Float64Array;
}

/** Features of one sample. */
export type Row = FeatureMatrix["values"];

/** The features of a sample, where they lie in the matrix. */
export const rowOf = ({ columns, values }: FeatureMatrix, row: number): Row =>
  values.subarray(row * columns, (row + 1) * columns);

/** Two sets of samples that are compared. */
export interface ComparedFeatures {
  /** Features of real samples. */
  readonly real: FeatureMatrix;
  /** Features of those that a model has made. */
  readonly generated: FeatureMatrix;
}

/** Features that are no numbers. */
export class NonFiniteFeatureError extends Error {
  /** Shown before the message. */
  override readonly name = "NonFiniteFeatureError";
  /** Exit code of the command line. */
  readonly exitCode = 3;
}

/**
 * Requires that there are enough samples, and as many values as the shape says, all of them finite.
 *
 * @throws RangeError for another length or fewer samples
 * @throws NonFiniteFeatureError naming the sample
 */
export function requireFeatures({ rows, columns, values }: FeatureMatrix, least: number): void {
  if (values.length !== rows * columns || columns < 1) {
    throw new RangeError(`${values.length} values are not ${rows} samples of ${columns} features`);
  }
  if (rows < least) {
    throw new RangeError(`${rows} samples are too few: at least ${least} are needed`);
  }
  const bad = firstNonFinite(values);
  if (bad >= 0) {
    throw new NonFiniteFeatureError(
      `sample ${Math.floor(bad / columns)}: feature ${bad % columns} is ${values[bad]}`,
    );
  }
}

/** Requires that two sets of samples can be compared; see {@link requireFeatures}. */
export function requireComparable({ real, generated }: ComparedFeatures, least: number): void {
  if (real.columns !== generated.columns) {
    throw new RangeError(
      `${real.columns} features of real and ${generated.columns} of generated samples differ`,
    );
  }
  requireFeatures(real, least);
  requireFeatures(generated, least);
}
