/**
 * Pictures as 8-bit pixels: from what a model gives, values in [-1, 1] laid out (N, C, H, W), to PNG
 * files.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { InputError } from "../../base/errors.ts";

/** A picture: `data` holds (height, width, channels) bytes, row-major. */
export interface Bitmap {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
  /** 1 (grey) or 3 (red, green, blue). */
  readonly channels: number;
  /** Values 0..255. */
  readonly data: Uint8Array;
}

/**
 * The sharp library, loaded when the first picture is read or written.
 *
 * @throws {InputError} when it does not load on this machine
 */
export async function loadSharp(): Promise<typeof import("sharp").default> {
  try {
    return (await import("sharp")).default;
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).split("\n")[0];
    throw new InputError(`pictures cannot be read or written: sharp did not load: ${reason}`);
  }
}

/**
 * The byte of one value: `clamp(127.5 y + 128, 0, 255)` truncated, in float32 arithmetic like the
 * reference code, so that bytes can be compared with it. NaN gives 0. The reference is the sampling script of DiT.
 */
export function toByte(value: number): number {
  const scaled = Math.fround(Math.fround(127.5 * Math.fround(value)) + 128);
  return Math.trunc(Math.min(Math.max(scaled, 0), 255)) || 0;
}

/**
 * The pictures of a batch.
 *
 * @param values (N, C, H, W) row-major; -1 becomes black, 1 white, what lies outside is clamped
 * @param shape `[N, C, H, W]` with C = 1 or 3
 * @throws {RangeError} when C is neither 1 nor 3 or `values` has another length
 *
 * @example
 * ```ts
 * import { toBitmaps } from "./bitmap.ts";
 *
 * const [picture] = toBitmaps(Float32Array.of(-1, 0, 0.5, 1), [1, 1, 2, 2]);
 * picture.data; // 0, 128, 191, 255
 * ```
 */
export function toBitmaps(
  values: Float32Array,
  shape: readonly [count: number, channels: number, height: number, width: number],
): Bitmap[] {
  const [count, channels, height, width] = shape;
  if (channels !== 1 && channels !== 3) {
    throw new RangeError(`pictures have 1 or 3 channels, these have ${channels}`);
  }
  const plane = height * width;
  const size = channels * plane;
  if (values.length !== count * size) {
    throw new RangeError(`shape (${shape.join(", ")}) does not hold ${values.length} values`);
  }
  return Array.from({ length: count }, (_, index) => {
    const data = new Uint8Array(size);
    for (let channel = 0; channel < channels; channel++) {
      const start = index * size + channel * plane;
      for (let pixel = 0; pixel < plane; pixel++) {
        data[pixel * channels + channel] = toByte(values[start + pixel]);
      }
    }
    return { height, width, channels, data };
  });
}

/**
 * A picture as a PNG file, grey or RGB like its pixels.
 *
 * @param overlay an SVG document of the picture's size that is drawn over it
 */
export async function encodePng(bitmap: Bitmap, overlay?: string): Promise<Uint8Array> {
  const { height, width, channels, data } = bitmap;
  const sharp = await loadSharp();
  const picture = sharp(data, { raw: { height, width, channels: channels as 1 | 3 } });
  if (overlay !== undefined) picture.composite([{ input: Buffer.from(overlay) }]);
  return await picture
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .removeAlpha()
    .png({ compressionLevel: 9 })
    .toBuffer();
}

/**
 * Draws an SVG document as a PNG file on white.
 *
 * @param svg without `<text>` and references, such as `renderChart` gives
 * @param scale pixels of the PNG per pixel of the document; 2 looks sharp on all screens
 */
export async function svgToPng(svg: string, scale = 2): Promise<Uint8Array> {
  const sharp = await loadSharp();
  // sharp takes a pixel of the document for 1/72 inch; `density` is pixels of the PNG per inch.
  return await sharp(Buffer.from(svg), { density: 72 * scale })
    .flatten({ background: "#ffffff" })
    .png({ compressionLevel: 9, palette: true })
    .toBuffer();
}
