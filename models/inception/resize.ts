/**
 * Pictures in the size and range that the Inception network takes.
 *
 * @module
 */
import type { Bitmap } from "../../formats/pictures/bitmap.ts";
import { withChannels } from "../../data/pictures/picture.ts";
import { inceptionSide } from "./model.ts";

/** What {@link writeResized} does, for every line with a number that hangs on it. */
export const inceptionResize =
  "bilinear to 299 x 299 as in the graph of FID: from the corner, no antialias";

/** Two places of an axis between which a value lies. */
interface Between {
  readonly low: number;
  readonly high: number;
  /** How far from the first to the second. */
  readonly part: number;
}

/**
 * Writes a picture into `out` from `start` on as (299, 299, 3): bilinear between the pixels at
 * `place * size / 299`, without antialias and with corners where they are, as `ResizeBilinear` of the
 * original graph does it, then (value - 128) / 128. Grey is repeated.
 */
export function writeResized(picture: Bitmap, out: Float32Array, start: number): void {
  const { height, width, data } = withChannels(picture, 3);
  const [rows, columns] = [placesOf(height), placesOf(width)];
  rows.forEach((row, y) => {
    columns.forEach((column, x) => {
      for (let channel = 0; channel < 3; channel++) {
        const at = (line: number, place: number) => data[(line * width + place) * 3 + channel];
        const top = mix(at(row.low, column.low), at(row.low, column.high), column.part);
        const bottom = mix(at(row.high, column.low), at(row.high, column.high), column.part);
        const value = mix(top, bottom, row.part);
        out[start + (y * inceptionSide + x) * 3 + channel] = (value - 128) / 128;
      }
    });
  });
}

const mix = (a: number, b: number, part: number): number => a + (b - a) * part;

function placesOf(size: number): Between[] {
  return Array.from({ length: inceptionSide }, (_, index) => {
    const place = index * size / inceptionSide;
    const low = Math.floor(place);
    return { low, high: Math.min(low + 1, size - 1), part: place - low };
  });
}
