/**
 * Pictures that no file is needed for: noise, in sizes whose areas vary as much as is asked for.
 *
 * @module
 */

import { dataStreams, Draws } from "../order/draws.ts";
import type { PictureSize } from "../packing/patch_grid.ts";
import type { Picture } from "../pictures/picture.ts";
import type { PictureSet } from "../picture_set.ts";

/** What synthetic pictures are like. */
export interface SyntheticOptions {
  /** Colour channels. */
  readonly channels: number;
  /** Side of a patch in pixels. */
  readonly patch: number;
  /** Area of the largest, in patches. */
  readonly tokens: number;
  /** The largest area over the smallest, at least 1; logarithms of areas are uniform between. */
  readonly spread: number;
  /** A whole number from 0 to 2^53 - 1. */
  readonly seed: number;
}

/** How many there are. */
const count = 1024;

/**
 * Standard deviation of the logarithm of the aspect ratio, and where it is cut off: two thirds of the
 * pictures lie between 5 : 7 and 7 : 5, all between 1 : 4 and 4 : 1.
 */
const aspectDeviation = 0.35;
const aspectLimit = Math.log(4);

/**
 * Makes a set of one class. Sizes are a function of the seed and the index; a picture's pixels are
 * made when they are asked for.
 */
export function syntheticPictures(options: SyntheticOptions): PictureSet {
  const { channels, patch, tokens, spread, seed } = options;
  const sizes = Array.from({ length: count }, (_, index) => drawSize(options, index));
  const source = (index: number): Picture => noise(sizes[index], channels, index);
  return {
    name: `synthetic, spread ${spread}`,
    length: count,
    channels,
    classNames: ["noise"],
    fingerprint: `synthetic ${[count, channels, patch, tokens, spread, seed]}`,
    label: () => 0,
    size: (index) => sizes[index],
    pictureName: String,
    source,
    decode: (index) => Promise.resolve(source(index)),
  };
}

function drawSize(
  { patch, tokens, spread, seed }: SyntheticOptions,
  index: number,
): PictureSize {
  const draws = new Draws(seed, dataStreams.syntheticSize, index);
  const side = patch * Math.sqrt(tokens * spread ** -draws.uniform());
  const aspect = draws.truncatedNormal(0, aspectDeviation, -aspectLimit, aspectLimit);
  const stretch = Math.exp(aspect / 2);
  return {
    width: Math.max(1, Math.round(side * stretch)),
    height: Math.max(1, Math.round(side / stretch)),
  };
}

/** Bytes without a visible pattern (Knuth's multiplicative hash). */
function noise({ width, height }: PictureSize, channels: number, index: number): Picture {
  const data = new Uint8Array(width * height * channels);
  for (let place = 0; place < data.length; place++) {
    data[place] = Math.imul(place + 7919 * index, 0x9e3779b1) >>> 24;
  }
  return { width, height, channels, data };
}
