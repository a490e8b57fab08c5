/**
 * Made-up numbers for what is timed and not looked at.
 *
 * @module
 */

/**
 * Numbers in [-amplitude, amplitude] without a visible pattern, which repeat after 65,536;
 * `frequency` makes them different.
 */
export function ripple(length: number, frequency: number, amplitude = 1): Float32Array {
  const period = Float32Array.from(
    { length: Math.min(length, 65536) },
    (_, index) => amplitude * Math.sin(frequency * index ** 2),
  );
  const result = new Float32Array(length);
  for (let start = 0; start < length; start += period.length) {
    result.set(period.subarray(0, length - start), start);
  }
  return result;
}
