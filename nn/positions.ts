/**
 * Fixed tables of sines and cosines for positions and time steps.
 *
 * @module
 */

/**
 * Two-dimensional sine-cosine positions of a grid: (rows * columns, width), row-major.
 *
 * With k = width / 4 frequencies w_i = 10000^(-i / k), the entry of (row, column) is
 * `[sin(column w); cos(column w); sin(row w); cos(row w)]`: the column comes first (DiT, section 3.2, "Patchify").
 *
 * @throws RangeError when the width is not a multiple of 4
 */
export function sineCosinePositions(rows: number, columns: number, width: number): Float32Array {
  if (width % 4 !== 0) throw new RangeError(`positions: width ${width} is not a multiple of 4`);
  const quarter = width / 4;
  const table = new Float32Array(rows * columns * width);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const start = (row * columns + column) * width;
      for (let i = 0; i < quarter; i++) {
        const frequency = 10000 ** (-i / quarter);
        table[start + i] = Math.sin(column * frequency);
        table[start + quarter + i] = Math.cos(column * frequency);
        table[start + 2 * quarter + i] = Math.sin(row * frequency);
        table[start + 3 * quarter + i] = Math.cos(row * frequency);
      }
    }
  }
  return table;
}

/**
 * Sinusoidal features of the time steps 0 .. steps - 1: (steps, width), `[cos(t f); sin(t f)]` with
 * f_i = exp(-ln(10000) i / half), half = width / 2 (DiT, appendix A).
 *
 * A table, because single-precision sines of angles up to 999 would be off by 6e-5 and would differ
 * from device to device.
 */
export function timestepFeatureTable(steps: number, width: number): Float32Array {
  const half = width / 2;
  const table = new Float32Array(steps * width);
  for (let t = 0; t < steps; t++) {
    for (let i = 0; i < half; i++) {
      const angle = t * frequency(i, half);
      table[t * width + i] = Math.cos(angle);
      table[t * width + half + i] = Math.sin(angle);
    }
  }
  return table;
}

/** The frequencies f_0 to f_(half - 1) of {@link timestepFeatureTable}, rounded to single precision. */
export const timestepFrequencies = (half: number): Float32Array =>
  Float32Array.from({ length: half }, (_, i) => frequency(i, half));

const frequency = (i: number, half: number): number => Math.exp(-Math.log(10000) * i / half);
