/**
 * Pictures one after the other, in memory that does not grow with their number: those of a data set,
 * of a flat folder, or of an npz archive of any size.
 *
 * @module
 */
import { dirname } from "@std/path";
import { InputError } from "../base/errors.ts";
import { toBitmaps } from "../formats/pictures/bitmap.ts";
import { NpzFile } from "../formats/tensors/npz.ts";
import { type ImageDataset, pictureLength } from "./dataset.ts";
import { openPictureSet, type OpenPictureSetOptions } from "./open.ts";
import { evenIndices } from "./order/spread.ts";
import type { PictureSet } from "./picture_set.ts";
import { centerCrop, type Picture } from "./pictures/picture.ts";
import { archiveStream, type SampleStream } from "./sample_stream.ts";

/** Pictures one after the other. */
export type PictureStream = SampleStream<Picture>;

/** Which pictures, and how. */
export interface PictureStreamOptions
  extends Pick<OpenPictureSetOptions, "split" | "warn" | "watch"> {
  /** Most pictures, at equal distances where there are more. */
  readonly count: number;
  /** Side in pixels to which they are cropped as in ADM; as they are unless told. */
  readonly imageSize?: number;
}

/**
 * Opens pictures.
 *
 * @throws InputError when the path leads to nothing that is known
 */
export async function openPictureStream(
  path: string,
  options: PictureStreamOptions,
): Promise<PictureStream> {
  const stream = /\.npz$/i.test(path)
    ? await openArchive(path, options.count)
    : await openSet(path, options);
  const { imageSize } = options;
  if (imageSize === undefined) return stream;
  return {
    ...stream,
    async *samples() {
      for await (const picture of stream.samples()) yield centerCrop(picture, imageSize, path);
    },
  };
}

async function openSet(path: string, options: PictureStreamOptions): Promise<PictureStream> {
  const set = await openPictureSet(path, options);
  const indices = evenIndices(set.length, Infinity).filter((index) => !isGrid(set, index));
  const chosen = evenIndices(indices.length, options.count).map((place) => indices[place]);
  return {
    name: set.name,
    count: chosen.length,
    async *samples() {
      for (const index of chosen) yield await set.decode(index);
    },
  };
}

/** Whether a picture is the grid that `sample` writes among its pictures. */
function isGrid(set: PictureSet, index: number): boolean {
  const source = set.source(index);
  return typeof source === "string" && /[\\/]grid\.png$/.test(source) && hasRecord(source);
}

/** Whether there is a record of samples beside a picture. */
function hasRecord(path: string): boolean {
  try {
    return Deno.statSync(`${dirname(path)}/samples.json`).isFile;
  } catch {
    return false;
  }
}

/** The pictures `arr_0` of an archive. */
async function openArchive(path: string, most: number): Promise<PictureStream> {
  using file = await NpzFile.open(path);
  const { shape, type } = await file.info("arr_0");
  const [length, height, width, channels] = shape;
  if (type !== "U8" || shape.length !== 4 || (channels !== 1 && channels !== 3)) {
    throw new InputError(
      `${path}: arr_0 is not (pictures, height, width, channels) of uint8 with 1 or 3 channels`,
    );
  }
  return archiveStream(path, length, most, (data) => ({ height, width, channels, data }));
}

/** The pictures of a data set, at most `most` of them at equal distances. */
export async function* datasetPictures(set: ImageDataset, most: number): AsyncGenerator<Picture> {
  const { channels, height, width } = set;
  const values = new Float32Array(pictureLength(set));
  for (const index of evenIndices(set.length, most)) {
    await set.read([index], values);
    yield toBitmaps(values, [1, channels, height, width])[0];
  }
}
