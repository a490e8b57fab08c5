/**
 * Opening whatever a path leads to as a data set of pictures.
 *
 * @module
 */

import { basename, join } from "@std/path";
import { InputError } from "../base/errors.ts";
import { isCifarName, openCifar } from "./sources/cifar.ts";
import { withClassNames } from "./class_names.ts";
import type { ImageDataset } from "./dataset.ts";
import { fitDataset } from "./fit.ts";
import { isIdxImagesName, openIdxDataset, type Split } from "./sources/idx.ts";
import { openImageFolder } from "./sources/image_folder.ts";
import { holdOut } from "./holdout.ts";
import { MemoryDataset } from "./memory_dataset.ts";
import { openMixedFolder } from "./sources/mixed_folder.ts";
import { openNpzDataset } from "./sources/npz.ts";
import { isPictureName } from "./sources/picture_files.ts";
import { type PictureSet, pictureSetOf } from "./picture_set.ts";
import { openPictureSheets } from "./sources/picture_sheet.ts";

export type { Split } from "./sources/idx.ts";

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

/** What a path leads to. */
interface Found {
  /** A set read into memory, or a folder of pictures with the part entered. */
  readonly pictures: MemoryDataset | string;
  /** Whether this is one part of a whole that is divided into parts. */
  readonly isPart: boolean;
}

/**
 * Refuses a number of channels that no picture is read with.
 *
 * @throws InputError unless there are 1 or 3, or none were asked for
 */
export function checkChannels(channels: number | undefined): void {
  if (channels !== undefined && channels !== 1 && channels !== 3) {
    throw new InputError(`${channels} channels: pictures can have 1 (grey) or 3 (colour)`);
  }
}

function checkImageSize(imageSize: number | undefined): void {
  if (imageSize !== undefined && !(Number.isInteger(imageSize) && imageSize >= 1)) {
    throw new InputError(`image size ${imageSize} is not a whole number from 1 up`);
  }
}

async function findInFile(path: string): Promise<Found> {
  const name = basename(path);
  if (name.endsWith(".npz")) return { pictures: await openNpzDataset(path), isPart: false };
  if (isCifarName(name)) return { pictures: await openCifar(path), isPart: true };
  if (isIdxImagesName(name)) return { pictures: await openIdxDataset(path), isPart: true };
  throw new InputError(`${path}: not a data set; looked for ${lookedFor}`);
}

/** The sub-folder of a split when a folder is divided into splits. */
function splitFolder(folders: readonly string[], split: Split): string | undefined {
  const find = (part: Split) => folders.find((name) => splitFolders[part].includes(name));
  return find("train") !== undefined && find("test") !== undefined ? find(split) : undefined;
}

/** The folder inside an unpacked archive of CIFAR. */
const cifarFolders = ["cifar-10-batches-bin", "cifar-100-binary"];

async function findInFolder(path: string, split: Split): Promise<Found> {
  const entries = await Array.fromAsync(Deno.readDir(path));
  const names = entries.map((entry) => entry.name);
  const folders = entries.filter((entry) => entry.isDirectory || entry.isSymlink)
    .map((entry) => entry.name);
  if (names.includes("labels.json")) {
    return { pictures: await openPictureSheets(path), isPart: false };
  }
  if (names.some(isIdxImagesName)) {
    return { pictures: await openIdxDataset(path, split), isPart: true };
  }
  if (names.some(isCifarName)) return { pictures: await openCifar(path, split), isPart: true };
  const cifar = folders.find((name) => cifarFolders.includes(name));
  if (cifar !== undefined) return await findInFolder(join(path, cifar), split);
  const part = splitFolder(folders, split);
  if (part !== undefined) return { pictures: join(path, part), isPart: true };
  if (folders.length === 0 && !names.some(isPictureName)) {
    throw new InputError(`${path}: not a data set; looked for ${lookedFor}`);
  }
  return { pictures: path, isPart: false };
}

/** Finds what a path leads to and enters the part. */
async function find(path: string, split: Split): Promise<Found> {
  const info = await Deno.stat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) {
      throw new InputError(`${path}: no such file or folder`);
    }
    throw error;
  });
  return info.isDirectory ? await findInFolder(path, split) : await findInFile(path);
}

/** Refuses the test part of something that is not divided. */
function requirePart(path: string, { isPart }: Found, split: Split): void {
  if (split === "test" && !isPart) throw new InputError(`${path}: has no separate test part`);
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
  const { imageSize, channels, split = "train" } = options;
  checkImageSize(imageSize);
  checkChannels(channels);
  const found = await find(path, split);
  requirePart(path, found, split);
  const { pictures } = found;
  if (pictures instanceof MemoryDataset) return fitDataset(pictures, imageSize, channels);
  if (imageSize === undefined) {
    throw new InputError(`${path}: a folder of pictures needs a size to crop to (--image-size)`);
  }
  return await openImageFolder(pictures, { ...options, imageSize });
}

/** How to open a set of pictures that keep their sizes. */
export interface OpenPictureSetOptions {
  /** 1 (grey) or 3 (colour): pictures are converted. As in the files unless told, 3 for folders. */
  readonly channels?: number;
  /** Which part, where there are several; "train" unless told. */
  readonly split?: Split;
  /**
   * The share of every class that is the test part of a set which is not divided into parts itself;
   * see `holdOut`. Unless told, such a set has no test part and is for training as a whole.
   */
  readonly holdout?: number;
  /** Whether pictures of folders have captions, see `captions.ts`; false unless told. */
  readonly captions?: boolean;
  /** The classes that labels count in, such as those of a trained model; the set's own unless told. */
  readonly classNames?: readonly string[];
  /** Gets lines about skipped pictures; standard error unless told. */
  readonly warn?: (line: string) => void;
}

/**
 * Opens what {@link openDataset} opens, but leaves pictures of folders at their sizes.
 *
 * @example
 * ```ts
 * import { openPictureSet } from "./open.ts";
 *
 * const pictures = await openPictureSet("data/samples/clipart", { split: "test" });
 * const { width, height } = pictures.size(0);
 * ```
 *
 * @throws {InputError} when the path leads to nothing that is known, saying what was looked for
 */
export async function openPictureSet(
  path: string,
  options: OpenPictureSetOptions = {},
): Promise<PictureSet> {
  const { channels, split = "train", holdout } = options;
  checkChannels(channels);
  const found = await find(path, split);
  if (holdout === undefined) requirePart(path, found, split);
  const { pictures, isPart } = found;
  const set = pictures instanceof MemoryDataset
    ? pictureSetOf(fitDataset(pictures, undefined, channels))
    : await openMixedFolder(pictures, options);
  const part = holdout === undefined || isPart ? set : holdOut(set, holdout)[split];
  return options.classNames ? withClassNames(part, options.classNames) : part;
}
