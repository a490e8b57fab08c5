/**
 * The resize of the networks that metrics are defined by: TensorFlow's `ResizeBilinear` as it was then.
 *
 * @module
 */
import { withChannels } from "../data/pictures/picture.ts";
import type { Bitmap } from "../formats/pictures/bitmap.ts";

/** Two places of an axis between which a value lies. */
interface Between {
  readonly low: number;
  readonly high: number;
  /** How far from the first to the second. */
  readonly part: number;
}

/**
 * Writes a picture into `out` from `start` on as (side, side, 3): bilinear between the pixels at
 * `place * size / side`, without antialias and with corners where they are. Grey is repeated.
 *
 * @param range what becomes of a value from 0 to 255
 */
export function writeBilinear(
  picture: Bitmap,
  side: number,
  range: (value: number) => number,
  out: Float32Array,
  start: number,
): void {
  const { height, width, data } = withChannels(picture, 3);
  const [rows, columns] = [placesOf(height, side), placesOf(width, side)];
  rows.forEach((row, y) => {
    columns.forEach((column, x) => {
      for (let channel = 0; channel < 3; channel++) {
        const at = (line: number, place: number) => data[(line * width + place) * 3 + channel];
        const top = mix(at(row.low, column.low), at(row.low, column.high), column.part);
        const bottom = mix(at(row.high, column.low), at(row.high, column.high), column.part);
        out[start + (y * side + x) * 3 + channel] = range(mix(top, bottom, row.part));
      }
    });
  });
}

const mix = (a: number, b: number, part: number): number => a + (b - a) * part;

function placesOf(size: number, side: number): Between[] {
  return Array.from({ length: side }, (_, index) => {
    const place = index * size / side;
    const low = Math.floor(place);
    return { low, high: Math.min(low + 1, size - 1), part: place - low };
  });
}
