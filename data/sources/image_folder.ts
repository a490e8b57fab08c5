/**
 * A folder of pictures, one sub-folder a class: see `picture_files.ts` for what is found in it.
 * Pictures become squares by the centre crop of ADM.
 *
 * @module
 */

import { InputError } from "../../base/errors.ts";
import { checkRead, type ImageDataset, pictureLength, scaleBytes } from "../dataset.ts";
import { forEachIndex } from "../../base/concurrency.ts";
import { MemoryDataset } from "../memory_dataset.ts";
import { copyPlanar, decodeSquare } from "../pictures/picture.ts";
import { findPictures, fingerprintOf, type PictureFile } from "./picture_files.ts";
import { defaultWorkers, PicturePool } from "../pictures/pool.ts";
import { SkipReport } from "../pictures/skip_report.ts";

/** How many pictures are decoded at once. */
const concurrency = 32;

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
  /** Gets a line for each of the first skipped pictures and one with their count; else stderr. */
  readonly warn?: (line: string) => void;
}

/** Decodes all pictures once; those that cannot be decoded are left out. */
async function decodeAll(
  folder: string,
  classNames: readonly string[],
  files: readonly PictureFile[],
  imageSize: number,
  channels: number,
  skips: SkipReport,
): Promise<MemoryDataset> {
  const length = channels * imageSize ** 2;
  const pixels = new Uint8Array(files.length * length);
  const labels: number[] = [];
  for (let first = 0; first < files.length; first += concurrency) {
    const group = files.slice(first, first + concurrency);
    const decoded = await Promise.all(group.map(async ({ path }, index) => {
      const start = (first + index) * length;
      return await decodeSquare(path, imageSize, channels).then((picture) => {
        copyPlanar(picture, pixels, start);
        return true;
      }, (error) => skips.add(path, error));
    }));
    group.forEach(({ label }, index) => {
      if (!decoded[index]) return;
      // Close the gaps of skipped pictures; never runs ahead of what was decoded.
      pixels.copyWithin(
        labels.length * length,
        (first + index) * length,
        (first + index + 1) * length,
      );
      labels.push(label);
    });
  }
  skips.summarize(files.length);
  if (labels.length === 0) {
    throw new InputError(`${folder}: none of its ${files.length} pictures can be decoded`);
  }
  return new MemoryDataset({
    name: folder,
    channels,
    height: imageSize,
    width: imageSize,
    classNames,
    pixels: pixels.subarray(0, labels.length * length),
    labels,
  });
}

/**
 * Pictures decoded and cropped by worker threads whenever they are read. One that cannot be decoded is replaced by the next one of
 * its class, always the same, so that length and order stay as they were found.
 */
class DecodingDataset implements ImageDataset {
  readonly name: string;
  readonly length: number;
  readonly height: number;
  readonly width: number;
  readonly fingerprint: string;
  private readonly pool = new PicturePool(defaultWorkers());

  constructor(
    folder: string,
    readonly classNames: readonly string[],
    private readonly files: readonly PictureFile[],
    imageSize: number,
    readonly channels: number,
    private readonly skips: SkipReport,
    fingerprint: string,
  ) {
    this.name = folder;
    this.length = files.length;
    this.height = imageSize;
    this.width = imageSize;
    this.fingerprint = fingerprint;
  }

  label(index: number): number {
    return this.files[index].label;
  }

  async read(indices: ArrayLike<number>, out: Float32Array): Promise<void> {
    checkRead(this, indices, out);
    const length = pictureLength(this);
    await forEachIndex(indices.length, concurrency, async (position) => {
      const bytes = new Uint8Array(length);
      await this.decode(indices[position], bytes);
      scaleBytes(bytes, out, position * length);
    });
  }

  private async decode(index: number, bytes: Uint8Array): Promise<void> {
    const { label } = this.files[index];
    for (let distance = 0; distance < this.length; distance++) {
      const file = this.files[(index + distance) % this.length];
      if (file.label !== label) continue;
      try {
        const job = { path: file.path, imageSize: this.width, channels: this.channels };
        return copyPlanar(await this.pool.crop(job), bytes, 0);
      } catch (error) {
        this.skips.add(file.path, error);
      }
    }
    const name = this.classNames[label];
    throw new InputError(`${this.name}: no picture of class "${name}" can be decoded`);
  }
}

/**
 * Opens a folder of pictures.
 *
 * Pictures that cannot be decoded are reported and left out; those of a set too large for memory are
 * found only when they are read, and are then replaced by the next one of their class.
 *
 * @throws {InputError} when there is no picture, or none that can be decoded
 */
export async function openImageFolder(
  folder: string,
  options: ImageFolderOptions,
): Promise<ImageDataset> {
  const { imageSize, channels = 3, memoryBudget = 2 ** 31, warn = console.warn } = options;
  const { classNames, files } = await findPictures(folder);
  const skips = new SkipReport(folder, warn);
  if (files.length * channels * imageSize ** 2 <= memoryBudget) {
    return await decodeAll(folder, classNames, files, imageSize, channels, skips);
  }
  const fingerprint = await fingerprintOf(folder, files, `${imageSize} ${channels}`);
  return new DecodingDataset(folder, classNames, files, imageSize, channels, skips, fingerprint);
}
