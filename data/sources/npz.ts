/**
 * Pictures from an npz archive: `arr_0` of bytes (pictures, height, width, channels) and, if it is
 * there, `arr_1` of labels. So generated samples can be trained on and measured like any other data.
 *
 * @module
 */

import { InputError } from "../../base/errors.ts";
import { NpzFile } from "../../formats/tensors/npz.ts";
import { MemoryDataset, numberedClasses } from "../memory_dataset.ts";
import { copyPlanar } from "../pictures/picture.ts";

async function readLabels(file: NpzFile, count: number): Promise<number[]> {
  if (!file.names.includes("arr_1")) return new Array<number>(count).fill(0);
  // Before it is read: it may be large.
  const { shape } = await file.info("arr_1");
  if (shape.length !== 1 || shape[0] !== count) {
    const found = shape.slice(0, 8);
    throw new InputError(`${file.path}: arr_1 of shape (${found}) is not ${count} labels`);
  }
  return Array.from((await file.read("arr_1")).data, Number);
}

/**
 * Opens an npz archive of pictures and reads it into memory. Without labels every picture is of
 * class 0.
 *
 * @throws {InputError} when the archive is damaged or does not hold pictures
 */
export async function openNpzDataset(path: string): Promise<MemoryDataset> {
  using file = await NpzFile.open(path);
  const { shape, type } = await file.info("arr_0");
  const [count, height, width, channels] = shape;
  if (type !== "U8" || shape.length !== 4) {
    throw new InputError(`${path}: arr_0 is not (pictures, height, width, channels) of uint8`);
  }
  const labels = await readLabels(file, count);
  const data = (await file.read("arr_0")).data as Uint8Array;
  const pixels = new Uint8Array(data.length);
  const length = height * width * channels;
  for (let start = 0; start < data.length; start += length) {
    const picture = { height, width, channels, data: data.subarray(start, start + length) };
    copyPlanar(picture, pixels, start);
  }
  const classNames = numberedClasses(path, labels);
  return new MemoryDataset({ name: path, channels, height, width, classNames, pixels, labels });
}
