/**
 * A folder of pictures, one sub-folder a class: see `picture_files.ts` for what is found in it.
 * Pictures become squares by the centre crop of ADM.
 *
 * @module
 */

import { InputError, quote } from "../../base/errors.ts";
import { checkRead, type ImageDataset, pictureLength, scaleBytes } from "../dataset.ts";
import { forEachIndex } from "../../base/concurrency.ts";
import { MemoryDataset } from "../memory_dataset.ts";
import { copyPlanar, decodePicture, toSquare } from "../pictures/picture.ts";
import {
  classifyPictures,
  describeLeftOut,
  fingerprintOf,
  type FoundPictures,
  type PictureFile,
  requirePicturesOfEachClass,
} from "./picture_files.ts";
import type { OpeningWatch, ScannedFolder } from "./scan.ts";
import { defaultWorkers, PicturePool } from "../pictures/pool.ts";
import { SkipReport } from "../pictures/skip_report.ts";

/** How many pictures are decoded at once: enough to wait for files, not to stall the main thread. */
const concurrency = Math.min(32, 8 * navigator.hardwareConcurrency);

/** How a folder is read. */
export interface ImageFolderOptions {
  /** Side of the squares, in pixels. */
  readonly imageSize: number;
  /** 1 (grey) or 3 (colour); 3 unless told. */
  readonly channels?: number;
  /**
   * Decoded pictures are kept in memory when they take at most this many bytes; 2 GiB unless told.
   * Otherwise pictures are decoded whenever they are read.
   */
  readonly memoryBudget?: number;
  /** The classes that labels count in, such as those of a resumed run; the folder's unless told. */
  readonly classNames?: readonly string[];
  /** Gets a line for each of the first skipped pictures and one with their count; else stderr. */
  readonly warn?: (line: string) => void;
  /** Hears how far decoding is. */
  readonly watch?: OpeningWatch;
}

/** Decodes all pictures once; those that cannot be decoded are left out. */
async function decodeAll(
  folder: string,
  found: FoundPictures,
  imageSize: number,
  channels: number,
  skips: SkipReport,
  watch: OpeningWatch,
): Promise<MemoryDataset> {
  const { classNames, files } = found;
  const length = channels * imageSize ** 2;
  const pixels = new Uint8Array(files.length * length);
  const isDecoded = new Uint8Array(files.length);
  let done = 0;
  watch("pictures decoded", done, files.length);
  await forEachIndex(files.length, concurrency, async (index) => {
    const { path } = files[index];
    try {
      const picture = await decodePicture(path, path);
      // Timers and signals get their turn: many decoded pictures may be waiting to be cropped.
      await new Promise((resolve) => setTimeout(resolve));
      copyPlanar(toSquare(picture, imageSize, channels, path), pixels, index * length);
      isDecoded[index] = 1;
    } catch (error) {
      skips.add(path, error);
    }
    watch("pictures decoded", ++done, files.length);
  });
  skips.summarize(files.length);
  requirePicturesOfEachClass(folder, found, (index) => isDecoded[index] === 1);
  const decoded = files.keys().filter((index) => isDecoded[index] === 1).toArray();
  // Close the gaps of skipped pictures.
  decoded.forEach((index, place) =>
    pixels.copyWithin(place * length, index * length, (index + 1) * length)
  );
  return new MemoryDataset({
    name: folder,
    channels,
    height: imageSize,
    width: imageSize,
    classNames,
    pixels: pixels.subarray(0, decoded.length * length),
    labels: decoded.map((index) => files[index].label),
  });
}

/**
 * Pictures decoded and cropped by worker threads whenever they are read. One that cannot be decoded
 * is replaced by the next one of its class, always the same, so that length and order stay as they
 * were found.
 */
class DecodingDataset implements ImageDataset {
  readonly name: string;
  readonly length: number;
  readonly height: number;
  readonly width: number;
  readonly classNames: readonly string[];
  readonly fingerprint: string;
  readonly #files: readonly PictureFile[];
  readonly #pool = new PicturePool(defaultWorkers());
  /** Why pictures cannot be decoded, by index. */
  readonly #damaged = new Map<number, string>();

  readonly #skips: SkipReport;

  constructor(
    folder: string,
    { classNames, files }: FoundPictures,
    imageSize: number,
    readonly channels: number,
    skips: SkipReport,
    fingerprint: string,
  ) {
    this.#skips = skips;
    this.name = folder;
    this.length = files.length;
    this.height = imageSize;
    this.width = imageSize;
    this.classNames = classNames;
    this.#files = files;
    this.fingerprint = fingerprint;
  }

  label(index: number): number {
    return this.#files[index].label;
  }

  async read(indices: ArrayLike<number>, out: Float32Array): Promise<void> {
    checkRead(this, indices, out);
    const length = pictureLength(this);
    await forEachIndex(indices.length, concurrency, async (position) => {
      const bytes = new Uint8Array(length);
      await this.#decode(indices[position], bytes);
      scaleBytes(bytes, out, position * length);
    });
  }

  async #decode(wanted: number, bytes: Uint8Array): Promise<void> {
    const { label } = this.#files[wanted];
    for (let distance = 0; distance < this.length; distance++) {
      const index = (wanted + distance) % this.length;
      const { path } = this.#files[index];
      if (this.#files[index].label !== label || this.#damaged.has(index)) continue;
      try {
        const job = { path, imageSize: this.width, channels: this.channels };
        return copyPlanar(await this.#pool.crop(job), bytes, 0);
      } catch (error) {
        this.#skips.add(path, error);
        this.#damaged.set(index, (error as InputError).message);
      }
    }
    const first = this.#files.findIndex((file) => file.label === label);
    throw new InputError(
      `${this.name}: no picture of class ${quote(this.classNames[label])} can be decoded; ` +
        `the first: ${this.#damaged.get(first)}`,
    );
  }
}

/**
 * Opens a folder of pictures.
 *
 * Pictures that cannot be decoded are reported and left out; those of a set too large for memory are
 * found only when they are read, and are then replaced by the next one of their class.
 *
 * @param folder has pictures, in it or below
 * @throws {InputError} when no picture of a class can be decoded
 */
export async function openImageFolder(
  folder: ScannedFolder,
  options: ImageFolderOptions,
): Promise<ImageDataset> {
  const { imageSize, channels = 3, memoryBudget = 2 ** 31 } = options;
  const { warn = console.warn, watch = () => {} } = options;
  const { path } = folder;
  describeLeftOut(folder).forEach((line) => warn(line));
  const found = classifyPictures(folder, options.classNames);
  const skips = new SkipReport(path, warn);
  if (found.files.length * channels * imageSize ** 2 <= memoryBudget) {
    return await decodeAll(path, found, imageSize, channels, skips, watch);
  }
  const fingerprint = await fingerprintOf(path, found.files, `${imageSize} ${channels}`, watch);
  return new DecodingDataset(path, found, imageSize, channels, skips, fingerprint);
}
