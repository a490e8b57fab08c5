/**
 * What a set of labelled pictures is to the rest of the program.
 *
 * @module
 */

/**
 * Labelled pictures of one size, addressed by index.
 *
 * Everything but `read` answers at once; a data set never changes after it was opened.
 */
export interface ImageDataset {
  /** Short name for messages and reports. */
  readonly name: string;
  /** Number of pictures, at least 1. */
  readonly length: number;
  /** Colour channels of every picture: 1 (grey) or 3 (red, green, blue). */
  readonly channels: number;
  /** Frames of every sample, where samples are clips and not single pictures. */
  readonly frames?: number;
  /** Rows of every picture, in pixels. */
  readonly height: number;
  /** Columns of every picture, in pixels. */
  readonly width: number;
  /** Names of the classes; label k means `classNames[k]`. */
  readonly classNames: readonly string[];
  /**
   * Identifies the contents: equal for equal pictures, labels and sizes. A checkpoint keeps it so
   * that a resumed run can tell when its data has changed.
   */
  readonly fingerprint: string;
  /**
   * What to read for a picture mirrored left to right, where its values cannot be mirrored themselves, as
   * those of latents; absent: they can.
   */
  readonly mirrorOf?: (index: number) => number;
  /** The class of a picture, 0 .. `classNames.length - 1`. */
  label(index: number): number;
  /**
   * Reads pictures.
   *
   * @param indices which pictures, each 0 .. `length - 1`; may repeat
   * @param out filled with (indices.length, channels, height, width), row-major, values in [-1, 1]:
   * byte b becomes b / 127.5 - 1. Clips have their frames between channels and rows
   * @throws {RangeError} for an index outside the set or an `out` of the wrong length
   */
  read(indices: ArrayLike<number>, out: Float32Array): Promise<void> | void;
}

/** Number of values of one picture, or of one clip: channels x frames x height x width. */
export function pictureLength({ channels, frames = 1, height, width }: ImageDataset): number {
  return channels * frames * height * width;
}

/**
 * Checks the arguments of {@link ImageDataset.read}.
 *
 * @throws {RangeError} for an index outside the set or an `out` of the wrong length
 */
export function checkRead(
  dataset: ImageDataset,
  indices: ArrayLike<number>,
  out: Float32Array,
): void {
  const needed = indices.length * pictureLength(dataset);
  if (out.length !== needed) {
    throw new RangeError(
      `${dataset.name}: ${indices.length} pictures need ${needed} values, got room for ${out.length}`,
    );
  }
  for (let position = 0; position < indices.length; position++) {
    const index = indices[position];
    if (!(Number.isInteger(index) && index >= 0 && index < dataset.length)) {
      throw new RangeError(`${dataset.name}: no picture ${index}, there are ${dataset.length}`);
    }
  }
}

/** b / 127.5 - 1 for every byte b. */
const scaled = Float32Array.from({ length: 256 }, (_, byte) => byte / 127.5 - 1);

/** Scales bytes 0..255 to [-1, 1] into `out` from `start` on. */
export function scaleBytes(bytes: Uint8Array, out: Float32Array, start: number): void {
  for (let index = 0; index < bytes.length; index++) out[start + index] = scaled[bytes[index]];
}
