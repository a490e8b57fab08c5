/**
 * What a set of labelled pictures of mixed sizes is to the rest of the program.
 *
 * @module
 */

import { InputError } from "../base/errors.ts";
import type { MemoryDataset } from "./memory_dataset.ts";
import type { PictureSize } from "./packing/patch_grid.ts";
import { decodePicture, fromPlanar, type Picture, withChannels } from "./pictures/picture.ts";

/** Where a picture is: the path of its file, or its pixels. */
export type PictureSource = string | Picture;

/**
 * The pixels of a picture.
 *
 * @param channels colour channels of the result, 1 or 3
 * @param size what the picture had when its set was opened
 * @throws {InputError} when its file cannot be decoded, or has changed its size
 */
export async function decodeSource(
  source: PictureSource,
  channels: number,
  { width, height }: PictureSize,
): Promise<Picture> {
  if (typeof source !== "string") return withChannels(source, channels);
  const picture = await decodePicture(source, source);
  if (picture.width !== width || picture.height !== height) {
    throw new InputError(
      `${source}: has changed: ${picture.width} x ${picture.height} pixels, ` +
        `${width} x ${height} when the set was opened`,
    );
  }
  return withChannels(picture, channels);
}

/**
 * Labelled pictures, each of its own size, addressed by index.
 *
 * Everything but `decode` answers at once; a set never changes after it was opened.
 */
export interface PictureSet {
  /** Short name for messages and reports. */
  readonly name: string;
  /** Number of pictures, at least 1. */
  readonly length: number;
  /** Colour channels of every decoded picture: 1 (grey) or 3 (red, green, blue). */
  readonly channels: number;
  /** Names of the classes; label k means `classNames[k]`. */
  readonly classNames: readonly string[];
  /**
   * Identifies the contents: equal for equal pictures, labels and captions. A checkpoint keeps it so
   * that a resumed run can tell when its data has changed.
   */
  readonly fingerprint: string;
  /** The class of a picture, 0 .. `classNames.length - 1`. */
  label(index: number): number;
  /** A picture's size in pixels, upright. */
  size(index: number): PictureSize;
  /** What a picture is called: unique in its set, the same whenever it is opened. */
  pictureName(index: number): string;
  /** Where a picture is. */
  source(index: number): PictureSource;
  /**
   * The pixels of a picture.
   *
   * @throws {InputError} when its file turns out to be damaged
   */
  decode(index: number): Promise<Picture>;
  /** A picture's caption; only in sets that were opened with captions. */
  caption?(index: number): string;
}

/** A set in memory, whose pictures have one size, as a {@link PictureSet}. */
export function pictureSetOf(dataset: MemoryDataset): PictureSet {
  const { name, length, channels, height, width, classNames, fingerprint } = dataset;
  const source = (index: number) => fromPlanar(dataset.bytes(index), channels, height, width);
  return {
    name,
    length,
    channels,
    classNames,
    fingerprint,
    label: (index) => dataset.label(index),
    size: () => ({ width, height }),
    pictureName: String,
    source,
    decode: (index) => Promise.resolve(source(index)),
    caption: (index) => classNames[dataset.label(index)],
  };
}
