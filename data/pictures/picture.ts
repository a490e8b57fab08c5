/**
 * Single pictures: decoding, the centre crop of ADM, channels. Decoding is sharp's, which
 * is loaded on first use only.
 *
 * @module
 */

import { InputError } from "../../base/errors.ts";
import type { Bitmap as Picture } from "../../formats/pictures/bitmap.ts";
import {
  attempt,
  isTooLarge,
  mostPixels,
  mostSeconds,
  type OpenPicture,
  withinSeconds,
} from "./attempt.ts";
import type { PictureSize } from "../packing/patch_grid.ts";
import { type AxisResize, boxFilter, cubicFilter, resample, resize } from "./resample.ts";

export type { Bitmap as Picture } from "../../formats/pictures/bitmap.ts";

/** Pictures of up to so many pixels are decoded as they come, larger ones one at a time. */
const manyPixels = 1 << 24;

/** Ends when no large picture is being decoded. */
let largePictures: Promise<unknown> = Promise.resolve();

/**
 * Decodes a picture to sRGB: upright as its EXIF tag says, transparency on white, the first frame of
 * an animation.
 *
 * @param source path or contents of a file in any format sharp reads
 * @param where the file, for messages
 * @param seconds how long it may take
 * @throws {InputError} when it cannot be decoded
 */
export async function decodePicture(
  source: string | Uint8Array,
  where: string,
  seconds: number = mostSeconds,
): Promise<Picture> {
  return await attempt(source, where, async (open) => {
    const decode = async (most: number) => await withinSeconds(seconds, pixelsOf(open(most)));
    return await decode(manyPixels).catch(async (error) => {
      if (!isTooLarge(error)) throw error;
      const decoded = largePictures.then(() => decode(mostPixels));
      largePictures = decoded.catch(() => {});
      return await decoded;
    });
  });
}

/**
 * The size of a picture as {@link decodePicture} gives it, read from the head of its file.
 *
 * @param where the file, for messages
 * @throws {InputError} when it has no such head, or is too large to be decoded
 */
export async function readPictureSize(path: string, where: string): Promise<PictureSize> {
  const { autoOrient: { width, height } } = await attempt(
    path,
    where,
    async (open) => await withinSeconds(mostSeconds, open(mostPixels).metadata()),
  );
  return { width, height };
}

/**
 * The pixels of an opened picture in sRGB, upright, transparency on white; the frames of an animation
 * below each other.
 */
export async function pixelsOf(picture: OpenPicture): Promise<Picture> {
  const { data, info: { height, width, channels } } = await picture
    .autoOrient()
    .flatten({ background: "#ffffff" })
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  return withChannels({ height, width, channels, data }, 3);
}

/**
 * A picture with another number of channels: grey is repeated, colours are weighted as in ITU-R
 * BT.601 (0.299, 0.587, 0.114).
 */
export function withChannels(picture: Picture, channels: number): Picture {
  if (picture.channels === channels) return picture;
  const { height, width, data } = picture;
  const converted = new Uint8Array(height * width * channels);
  if (channels === 3) {
    for (let index = 0; index < converted.length; index++) {
      converted[index] = data[Math.floor(index / 3)];
    }
  } else {
    for (let index = 0; index < converted.length; index++) {
      const [red, green, blue] = [data[3 * index], data[3 * index + 1], data[3 * index + 2]];
      converted[index] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    }
  }
  return { height, width, channels, data: converted };
}

/** Longest side accepted of a picture resized before its crop, in pixels. */
const maximumSide = 1 << 16;

/** The central part of an axis resized. */
function centralAxis(from: number, to: number, count: number): AxisResize {
  return { from, to, start: Math.floor((to - count) / 2), count };
}

/**
 * The centre crop of ADM, which DiT trains on: halve with a box filter while the short side is at
 * least twice `size`, resize bicubically so that the short side is `size`, cut the central square.
 *
 * @param where the file, for messages
 * @throws {InputError} when the picture is so elongated that resizing it would take gigabytes
 */
export function centerCrop(picture: Picture, size: number, where: string): Picture {
  return cropTo(picture, { height: size, width: size }, where);
}

/** {@link centerCrop} for a rectangle: as large as fills it, cut to its middle. */
export function cropTo(picture: Picture, { height, width }: PictureSize, where: string): Picture {
  picture = halve(
    picture,
    ({ height: rows, width: columns }) => rows >= 2 * height && columns >= 2 * width,
  );
  if (picture.height === height && picture.width === width) return picture;
  const scale = Math.max(height / picture.height, width / picture.width);
  const [rows, columns] = [Math.round(picture.height * scale), Math.round(picture.width * scale)];
  if (Math.max(rows, columns) > maximumSide) {
    throw new InputError(
      `${where}: a picture of ${picture.width} x ${picture.height} pixels is too elongated to crop to ` +
        `${width} x ${height}`,
    );
  }
  return resample(
    picture,
    cubicFilter,
    centralAxis(picture.height, rows, height),
    centralAxis(picture.width, columns, width),
  );
}

/** Halves both sides by averaging as long as that is wanted. */
function halve(picture: Picture, isWanted: (size: PictureSize) => boolean): Picture {
  while (isWanted(picture)) {
    const half = (side: number) => Math.max(1, Math.floor(side / 2));
    picture = resize(picture, boxFilter, half(picture.height), half(picture.width));
  }
  return picture;
}

/** A picture made as large as fits into a rectangle, in the middle of it, on black. */
export function padTo(picture: Picture, { height, width }: PictureSize): Picture {
  picture = halve(
    picture,
    ({ height: rows, width: columns }) => rows >= 2 * height || columns >= 2 * width,
  );
  const scale = Math.min(height / picture.height, width / picture.width);
  const [rows, columns] = [picture.height, picture.width].map((side) =>
    Math.max(1, Math.round(side * scale))
  );
  const { channels, data } = resize(picture, cubicFilter, rows, columns);
  const padded = new Uint8Array(height * width * channels);
  const top = Math.floor((height - rows) / 2);
  const left = Math.floor((width - columns) / 2);
  for (let row = 0; row < rows; row++) {
    const source = row * columns * channels;
    const place = ((top + row) * width + left) * channels;
    padded.set(data.subarray(source, source + columns * channels), place);
  }
  return { height, width, channels, data: padded };
}

/** Copies a picture into `out` from `start` on as (channels, height, width). */
export function copyPlanar(picture: Picture, out: Uint8Array, start: number): void {
  const { channels, data } = picture;
  const plane = picture.height * picture.width;
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < plane; pixel++) {
      out[start + channel * plane + pixel] = data[pixel * channels + channel];
    }
  }
}

/** Makes a picture of (channels, height, width) bytes. */
export function fromPlanar(
  bytes: Uint8Array,
  channels: number,
  height: number,
  width: number,
): Picture {
  const plane = height * width;
  const data = new Uint8Array(bytes.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < plane; pixel++) {
      data[pixel * channels + channel] = bytes[channel * plane + pixel];
    }
  }
  return { height, width, channels, data };
}

/**
 * Crops a picture to a square of `imageSize` pixels with `channels` channels, see {@link centerCrop}.
 */
export function toSquare(
  picture: Picture,
  imageSize: number,
  channels: number,
  where: string,
): Picture {
  return withChannels(centerCrop(picture, imageSize, where), channels);
}

/**
 * Decodes a file and crops it to a square of `imageSize` pixels with `channels` channels.
 *
 * @throws {InputError} when it cannot be decoded or is too elongated
 */
export async function decodeSquare(
  path: string,
  imageSize: number,
  channels: number,
): Promise<Picture> {
  return toSquare(await decodePicture(path, path), imageSize, channels, path);
}
