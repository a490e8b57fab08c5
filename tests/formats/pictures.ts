/** What the tests of pictures and plots share. */

import type { Bitmap } from "../../formats/pictures/bitmap.ts";

/** The pixels of a PNG file, by sharp; grey ones stay grey. */
export async function decodePng(png: Uint8Array): Promise<Bitmap> {
  const { default: sharp } = await import("sharp");
  const { space } = await sharp(png).metadata();
  const { data, info } = await sharp(png)
    .toColourspace(space === "b-w" ? "b-w" : "srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { height, width, channels } = info;
  return { height, width, channels, data: new Uint8Array(data) };
}

/** A picture of one grey. */
export function plain(height: number, width: number, grey: number, channels = 1): Bitmap {
  return { height, width, channels, data: new Uint8Array(height * width * channels).fill(grey) };
}

/** How many pixels in a rectangle of a picture are darker than `grey`. */
export function darkPixels(
  { width, channels, data }: Bitmap,
  rectangle: { x: number; y: number; width: number; height: number },
  grey = 200,
): number {
  let count = 0;
  for (let y = rectangle.y; y < rectangle.y + rectangle.height; y++) {
    for (let x = rectangle.x; x < rectangle.x + rectangle.width; x++) {
      if (data[(y * width + x) * channels] < grey) count++;
    }
  }
  return count;
}

/** The texts of an SVG document in order, as screen readers get them. */
export function textsOf(svg: string): string[] {
  return [...svg.matchAll(/aria-label="([^"]*)" fill=/g)].map(([, text]) => text);
}
