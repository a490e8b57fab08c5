/**
 * Pictures in the size and range that the Inception network takes.
 *
 * @module
 */
import type { Bitmap } from "../../formats/pictures/bitmap.ts";
import { writeBilinear } from "../bilinear.ts";
import { inceptionSide } from "./model.ts";

/** What {@link writeResized} does, for every line with a number that hangs on it. */
export const inceptionResize =
  "bilinear to 299 x 299 as in the graph of FID: from the corner, no antialias";

/** Writes a picture into `out` from `start` on as (299, 299, 3), its values as (value - 128) / 128. */
export function writeResized(picture: Bitmap, out: Float32Array, start: number): void {
  writeBilinear(picture, inceptionSide, (value) => (value - 128) / 128, out, start);
}
