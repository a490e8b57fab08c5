/**
 * Resizing pictures with the filters of the Python Imaging Library, on which ADM's and DiT's data
 * preparation is defined: separable, columns first, rounded to bytes after each of the two passes,
 * cut off and renormalised at the edges, widened when a picture shrinks.
 *
 * @module
 */
import type { Bitmap as Picture } from "../../formats/pictures/bitmap.ts";

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

/** For each wanted pixel: its first source, how many there are, and their weights (`taps` places). */
interface AxisWeights {
  readonly first: Int32Array;
  readonly counts: Int32Array;
  readonly taps: number;
  readonly weights: Float64Array;
}

function axisWeights(filter: ResampleFilter, { from, to, start, count }: AxisResize): AxisWeights {
  const scale = from / to;
  const stretch = Math.max(1, scale);
  const support = filter.support * stretch;
  const taps = Math.min(from, Math.ceil(support) * 2 + 1);
  const first = new Int32Array(count);
  const counts = new Int32Array(count);
  const weights = new Float64Array(count * taps);
  for (let index = 0; index < count; index++) {
    const center = (start + index + 0.5) * scale;
    const begin = Math.max(0, Math.floor(center - support + 0.5));
    const end = Math.min(from, Math.floor(center + support + 0.5));
    first[index] = begin;
    counts[index] = end - begin;
    let sum = 0;
    for (let x = begin; x < end; x++) {
      const weight = filter.weight((x - center + 0.5) / stretch);
      weights[index * taps + x - begin] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < taps; tap++) weights[index * taps + tap] /= sum;
  }
  return { first, counts, taps, weights };
}

/**
 * Filters along the middle axis of (outer, size, inner) bytes; the result is (outer, count, inner).
 */
function filterAxis(
  data: Uint8Array,
  outer: number,
  size: number,
  inner: number,
  { first, counts, taps, weights }: AxisWeights,
): Uint8Array {
  const count = first.length;
  const result = new Uint8ClampedArray(outer * count * inner);
  let position = 0;
  for (let row = 0; row < outer; row++) {
    for (let index = 0; index < count; index++) {
      const source = (row * size + first[index]) * inner;
      const start = index * taps;
      const end = start + counts[index];
      for (let lane = 0; lane < inner; lane++) {
        let sum = 0;
        for (let tap = start, at = source + lane; tap < end; tap++, at += inner) {
          sum += weights[tap] * data[at];
        }
        // Halves go up, as in the original; the array itself would round them to even and clamp.
        result[position++] = Math.floor(sum + 0.5);
      }
    }
  }
  return new Uint8Array(result.buffer);
}

/**
 * What {@link filterAxis} does with the box filter where pairs become one: most of the work on a
 * photograph, several times as fast without weights.
 */
function halveAxis(data: Uint8Array, outer: number, size: number, inner: number): Uint8Array {
  const pairs = outer * size / 2;
  const result = new Uint8Array(pairs * inner);
  for (let pair = 0, position = 0; pair < pairs; pair++) {
    for (let at = 2 * pair * inner, end = at + inner; at < end; at++) {
      result[position++] = (data[at] + data[at + inner] + 1) >> 1;
    }
  }
  return result;
}

/** Resizes along the middle axis of (outer, from, inner) bytes to (outer, count, inner). */
function resizeAxis(
  data: Uint8Array,
  outer: number,
  inner: number,
  filter: ResampleFilter,
  axis: AxisResize,
): Uint8Array {
  const { from, to, count } = axis;
  if (filter === boxFilter && from === 2 * to && count === to) {
    return halveAxis(data, outer, from, inner);
  }
  return filterAxis(data, outer, from, inner, axisWeights(filter, axis));
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
  const { height, channels, data } = picture;
  const wide = resizeAxis(data, height, channels, filter, columns);
  const done = resizeAxis(wide, 1, columns.count * channels, filter, rows);
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
