/**
 * Opening whatever a path leads to as a data set of pictures.
 *
 * @module
 */

import { basename, join } from "@std/path";
import { InputError } from "../formats/errors.ts";
import { isCifarName, openCifar } from "./cifar.ts";
import type { ImageDataset } from "./dataset.ts";
import { fitDataset } from "./fit.ts";
import { isIdxImagesName, openIdxDataset, type Split } from "./idx_dataset.ts";
import { isPictureName, openImageFolder } from "./image_folder.ts";
import type { MemoryDataset } from "./memory_dataset.ts";
import { openNpzDataset } from "./npz_dataset.ts";
import { openPictureSheets } from "./picture_sheet.ts";

export type { Split } from "./idx_dataset.ts";

/** How to open a data set. */
export interface OpenDatasetOptions {
  /**
   * Side of the pictures in pixels: others are centre-cropped as in ADM. Folders of pictures need it;
   * the other kinds keep their size unless told.
   */
  readonly imageSize?: number;
  /** 1 (grey) or 3 (colour): pictures are converted. As in the files unless told, 3 for folders. */
  readonly channels?: number;
  /** Which part, where there are several; "train" unless told. */
  readonly split?: Split;
  /** See {@link ImageFolderOptions.memoryBudget}. */
  readonly memoryBudget?: number;
  /** Gets lines about skipped pictures; standard error unless told. */
  readonly warn?: (line: string) => void;
}

/** Other names of the sub-folders and parts of a data set. */
const splitFolders: Readonly<Record<Split, readonly string[]>> = {
  train: ["train", "training"],
  test: ["test", "testing", "val", "valid", "validation"],
};

/** What is recognised, for the message when nothing is. */
const lookedFor = "labels.json with sheet-*.png, *-images-idx3-ubyte[.gz], data_batch_*.bin or " +
  "train.bin (CIFAR), sub-folders of pictures, *.npz";

function checkOptions({ imageSize, channels }: OpenDatasetOptions): void {
  if (imageSize !== undefined && !(Number.isInteger(imageSize) && imageSize >= 1)) {
    throw new InputError(`image size ${imageSize} is not a whole number from 1 up`);
  }
  if (channels !== undefined && channels !== 1 && channels !== 3) {
    throw new InputError(`${channels} channels: pictures can have 1 (grey) or 3 (colour)`);
  }
}

async function openFile(path: string): Promise<MemoryDataset> {
  const name = basename(path);
  if (name.endsWith(".npz")) return await openNpzDataset(path);
  if (isCifarName(name)) return await openCifar(path);
  if (isIdxImagesName(name)) return await openIdxDataset(path);
  throw new InputError(`${path}: not a data set; looked for ${lookedFor}`);
}

/** The sub-folder of a split when a folder is divided into splits. */
function splitFolder(folders: readonly string[], split: Split): string | undefined {
  const find = (part: Split) => folders.find((name) => splitFolders[part].includes(name));
  return find("train") !== undefined && find("test") !== undefined ? find(split) : undefined;
}

/** The folder inside an unpacked archive of CIFAR. */
const cifarFolders = ["cifar-10-batches-bin", "cifar-100-binary"];

async function openPictures(path: string, options: OpenDatasetOptions): Promise<ImageDataset> {
  const { imageSize } = options;
  if (imageSize === undefined) {
    throw new InputError(`${path}: a folder of pictures needs a size to crop to (--image-size)`);
  }
  return await openImageFolder(path, { ...options, imageSize });
}

/** Refuses the test part of something that is not divided. */
function requireWhole(path: string, split: Split): void {
  if (split === "test") throw new InputError(`${path}: has no separate test part`);
}

async function openFolder(path: string, options: OpenDatasetOptions): Promise<ImageDataset> {
  const { imageSize, channels, split = "train" } = options;
  const entries = await Array.fromAsync(Deno.readDir(path));
  const names = entries.map((entry) => entry.name);
  const folders = entries.filter((entry) => entry.isDirectory || entry.isSymlink)
    .map((entry) => entry.name);
  if (names.includes("labels.json")) {
    requireWhole(path, split);
    return fitDataset(await openPictureSheets(path), imageSize, channels);
  }
  if (names.some(isIdxImagesName)) {
    return fitDataset(await openIdxDataset(path, split), imageSize, channels);
  }
  if (names.some(isCifarName)) {
    return fitDataset(await openCifar(path, split), imageSize, channels);
  }
  const cifar = folders.find((name) => cifarFolders.includes(name));
  if (cifar !== undefined) return await openFolder(join(path, cifar), options);
  const part = splitFolder(folders, split);
  if (part !== undefined) return await openPictures(join(path, part), options);
  if (folders.length === 0 && !names.some(isPictureName)) {
    throw new InputError(`${path}: not a data set; looked for ${lookedFor}`);
  }
  requireWhole(path, split);
  return await openPictures(path, options);
}

/**
 * Opens a data set of pictures: a folder of picture sheets (such as the ones shipped with Tessera),
 * IDX files, CIFAR's binary files, an npz archive, or a folder with a sub-folder a class. A folder
 * divided into `train` and `test` (or `val`) is entered.
 *
 * @example
 * ```ts
 * import { openDataset } from "./open.ts";
 *
 * const dataset = await openDataset("data/samples/fashion", { imageSize: 32, channels: 3 });
 * ```
 *
 * @throws {InputError} when the path leads to nothing that is known, saying what was looked for
 */
export async function openDataset(
  path: string,
  options: OpenDatasetOptions = {},
): Promise<ImageDataset> {
  checkOptions(options);
  const info = await Deno.stat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) {
      throw new InputError(`${path}: no such file or folder`);
    }
    throw error;
  });
  if (info.isDirectory) return await openFolder(path, options);
  return fitDataset(await openFile(path), options.imageSize, options.channels);
}
