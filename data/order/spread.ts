/**
 * A part of a set that stands for all of it.
 *
 * @module
 */

/** At most `most` numbers from 0 to `length` - 1 at equal distances: sets are ordered by class. */
export function evenIndices(length: number, most: number): number[] {
  const taken = Math.min(length, most);
  return Array.from({ length: taken }, (_, index) => Math.floor(index * length / taken));
}
