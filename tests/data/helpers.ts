/** What the tests of data sets share. */

import { dirname } from "@std/path";
import { MemoryDataset } from "../../data/memory_dataset.ts";
import type { PictureSize } from "../../data/packing/patch_grid.ts";
import type { Picture } from "../../data/pictures/picture.ts";
import type { PictureSet } from "../../data/picture_set.ts";
import { randomElement } from "../../base/philox.ts";

/** A data set whose bytes are all different for small sizes; picture i has label i mod 3. */
export function memorySet(
  count: number,
  channels: number,
  height: number,
  width: number,
): MemoryDataset {
  return new MemoryDataset({
    name: "made up",
    channels,
    height,
    width,
    classNames: ["a", "b", "c"],
    pixels: Uint8Array.from({ length: count * channels * height * width }, (_, index) => index),
    labels: Array.from({ length: count }, (_, index) => index % 3),
  });
}

/** Pictures in memory. */
interface MadeUpSet extends PictureSet {
  source(index: number): Picture;
}

/**
 * Pictures of given sizes; the byte of row r, column c, channel k of picture i is
 * (31 i + 7 r + 3 c + 50 k) mod 256, its label i mod 3, its caption "picture i".
 */
export function mixedSet(sizes: readonly PictureSize[], channels = 3): MadeUpSet {
  const source = (index: number) => {
    const { width, height } = sizes[index];
    const data = Uint8Array.from({ length: height * width * channels }, (_, place) => {
      const pixel = Math.floor(place / channels);
      const [row, column] = [Math.floor(pixel / width), pixel % width];
      return (31 * index + 7 * row + 3 * column + 50 * (place % channels)) % 256;
    });
    return { height, width, channels, data };
  };
  return {
    name: "made up",
    length: sizes.length,
    channels,
    classNames: ["a", "b", "c"],
    fingerprint: "made up",
    label: (index) => index % 3,
    size: (index) => sizes[index],
    pictureName: String,
    source,
    decode: (index) => Promise.resolve(source(index)),
    caption: (index) => `picture ${index}`,
  };
}

/** Sizes with log-normal aspect ratios and areas, the same for the same count. */
export function logNormalSizes(count: number): PictureSize[] {
  return Array.from({ length: count }, (_, index) => {
    const [area, ratio] = [0, 1].map((draw) => randomElement("normal", [7, 0], index, draw, 1, 0));
    const side = 200 * Math.exp(0.6 * area);
    const stretch = Math.exp(0.25 * ratio);
    return { width: Math.ceil(side * stretch), height: Math.ceil(side / stretch) };
  });
}

/** Writes a picture of one grey value. */
export async function paint(path: string, grey: number, width = 6, height = 4): Promise<void> {
  const { default: sharp } = await import("sharp");
  await Deno.mkdir(dirname(path), { recursive: true });
  const background = { r: grey, g: grey, b: grey };
  const picture = sharp({ create: { width, height, channels: 3, background } });
  const bytes = path.endsWith(".webp")
    ? await picture.webp({ lossless: true }).toBuffer()
    : await picture.png().toBuffer();
  await Deno.writeFile(path, bytes);
}

/** Overwrites the compressed pixels of a PNG file: its head stays readable. */
export async function damagePixels(path: string): Promise<void> {
  const bytes = await Deno.readFile(path);
  const pixels = new TextDecoder("latin1").decode(bytes).indexOf("IDAT") + 4;
  await Deno.writeFile(path, bytes.fill(0, pixels, -12));
}
