/**
 * Looking for numbers that are none.
 *
 * @module
 */

/** Index of the first NaN or infinity, or -1. A plain loop: a callback would box every element. */
export function firstNonFinite(values: ArrayLike<number>): number {
  for (let index = 0; index < values.length; index++) {
    if (!Number.isFinite(values[index])) return index;
  }
  return -1;
}

/** The first NaN or infinity of a tensor, in words; undefined when there is none. */
export function describeNonFinite(name: string, values: ArrayLike<number>): string | undefined {
  const index = firstNonFinite(values);
  return index < 0 ? undefined : `${name} holds ${values[index]} at element ${index}`;
}
