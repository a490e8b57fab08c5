/**
 * Resizing pictures with the filters of the Python Imaging Library, on which ADM's and DiT's data
 * preparation is defined: separable, columns first, rounded to bytes after each of the two passes,
 * cut off and renormalised at the edges, widened when a picture shrinks.
 *
 * @module
 */

import type { Picture } from "./picture.ts";

/** A filter: its weight at a distance, in pixels, and the distance from which on that is 0. */
export interface ResampleFilter {
  /** Weight at a signed distance. */
  readonly weight: (distance: number) => number;
  /** Half of the width. */
  readonly support: number;
}

/** The mean of the pixels covered. */
export const boxFilter: ResampleFilter = {
  weight: (distance) => distance > -0.5 && distance <= 0.5 ? 1 : 0,
  support: 0.5,
};

/** Linear interpolation; a mean with triangular weights where pictures shrink. */
export const triangleFilter: ResampleFilter = {
  weight: (distance) => Math.max(0, 1 - Math.abs(distance)),
  support: 1,
};

/** Bicubic interpolation with a = -1/2 (Catmull and Rom). */
export const cubicFilter: ResampleFilter = {
  weight: (distance) => {
    const x = Math.abs(distance);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  },
  support: 2,
};

/** One axis of a resize: how long it is, how long it gets, and which part of that is wanted. */
export interface AxisResize {
  /** Pixels before. */
  readonly from: number;
  /** Pixels after. */
  readonly to: number;
  /** First pixel wanted of those after. */
  readonly start: number;
  /** How many are wanted. */
  readonly count: number;
}

/** For each wanted pixel, where its sources start and their weights (`taps` of them, some 0). */
interface AxisWeights {
  readonly first: Int32Array;
  readonly taps: number;
  readonly weights: Float64Array;
}

function axisWeights(filter: ResampleFilter, { from, to, start, count }: AxisResize): AxisWeights {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  const support = filter.support * stretch;
  const taps = Math.min(from, Math.ceil(support) * 2 + 1);
  const first = new Int32Array(count);
  const weights = new Float64Array(count * taps);
  for (let index = 0; index < count; index++) {
    const center = (start + index + 0.5) * scale;
    const begin = Math.max(0, Math.floor(center - support + 0.5));
    const end = Math.min(from, Math.floor(center + support + 0.5));
    // The window may not run over the end of the axis, not even with weights of 0.
    first[index] = Math.min(begin, from - taps);
    let sum = 0;
    for (let x = begin; x < end; x++) {
      const weight = filter.weight((x - center + 0.5) / stretch);
      weights[index * taps + x - first[index]] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < taps; tap++) weights[index * taps + tap] /= sum;
  }
  return { first, taps, weights };
}

/**
 * Filters along the middle axis of (outer, size, inner) bytes; the result is (outer, count, inner).
 */
function filterAxis(
  data: Uint8Array,
  outer: number,
  size: number,
  inner: number,
  { first, taps, weights }: AxisWeights,
): Uint8Array {
  const count = first.length;
  const result = new Uint8ClampedArray(outer * count * inner);
  let position = 0;
  for (let row = 0; row < outer; row++) {
    for (let index = 0; index < count; index++) {
      const source = (row * size + first[index]) * inner;
      for (let lane = 0; lane < inner; lane++) {
        let sum = 0;
        for (let tap = 0; tap < taps; tap++) {
          sum += weights[index * taps + tap] * data[source + tap * inner + lane];
        }
        // Halves go up, as in the original; the array itself would round them to even and clamp.
        result[position++] = Math.floor(sum + 0.5);
      }
    }
  }
  return new Uint8Array(result.buffer);
}

/**
 * Resizes a picture and cuts a part out of the result.
 *
 * @param rows what happens to the rows; `from` is the picture's height
 * @param columns what happens to the columns; `from` is the picture's width
 */
export function resample(
  picture: Picture,
  filter: ResampleFilter,
  rows: AxisResize,
  columns: AxisResize,
): Picture {
  const { height, width, channels, data } = picture;
  const wide = filterAxis(data, height, width, channels, axisWeights(filter, columns));
  const inner = columns.count * channels;
  const done = filterAxis(wide, 1, height, inner, axisWeights(filter, rows));
  return { height: rows.count, width: columns.count, channels, data: done };
}

/** Resizes a whole picture; the same object when it has that size. */
export function resize(
  picture: Picture,
  filter: ResampleFilter,
  height: number,
  width: number,
): Picture {
  if (picture.height === height && picture.width === width) return picture;
  const axis = (from: number, to: number): AxisResize => ({ from, to, start: 0, count: to });
  return resample(picture, filter, axis(picture.height, height), axis(picture.width, width));
}
