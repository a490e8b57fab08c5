/**
 * Opening whatever a path leads to as a data set of pictures.
 *
 * @module
 */

import { InputError } from "../base/errors.ts";
import { withClassNames } from "./class_names.ts";
import type { ImageDataset } from "./dataset.ts";
import { describeEmptyClasses } from "./empty_classes.ts";
import { findPictures, type Found } from "./find.ts";
import { fitDataset } from "./fit.ts";
import { holdOut } from "./holdout.ts";
import { MemoryDataset } from "./memory_dataset.ts";
import { type PictureSet, pictureSetOf } from "./picture_set.ts";
import type { Split } from "./sources/idx.ts";
import { openImageFolder } from "./sources/image_folder.ts";
import { openMixedFolder } from "./sources/mixed_folder.ts";
import type { OpeningWatch } from "./sources/scan.ts";

export type { Split } from "./sources/idx.ts";
export type { OpeningStage, OpeningWatch } from "./sources/scan.ts";

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
  /** The classes that labels of folders count in, such as those of a resumed run; else its own. */
  readonly classNames?: readonly string[];
  /** Gets lines about what is left out; standard error unless told. */
  readonly warn?: (line: string) => void;
  /** Hears how far opening is: it takes long where a folder has many pictures. */
  readonly watch?: OpeningWatch;
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

/** A part is asked for of a set that is not divided into parts. */
export class MissingPartError extends InputError {}

/** Refuses the test part of something that is not divided. */
function requirePart(path: string, { isPart }: Found, split: Split): void {
  if (split === "test" && !isPart) throw new MissingPartError(`${path}: has no separate test part`);
}

/**
 * Opens a data set of pictures: a folder of picture sheets (such as the ones shipped with Tessera),
 * IDX files, CIFAR's binary files, an npz archive, or a folder with a sub-folder a class. A folder
 * divided into parts such as `train` and `test` is entered, see `sources/parts.ts`.
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
  const { imageSize, channels, split = "train", warn = console.warn } = options;
  checkImageSize(imageSize);
  checkChannels(channels);
  const found = await findPictures(path, { split, warn, watch: options.watch });
  requirePart(path, found, split);
  const { pictures } = found;
  if (pictures instanceof MemoryDataset) {
    if (split === "train") describeEmptyClasses(pictures).forEach((line) => warn(line));
    return await fitDataset(pictures, imageSize, channels, options.watch);
  }
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
  /** Gets lines about what is left out; standard error unless told. */
  readonly warn?: (line: string) => void;
  /** Hears how far opening is: it takes long where a folder has many pictures. */
  readonly watch?: OpeningWatch;
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
  const { channels, split = "train", holdout, classNames, warn = console.warn } = options;
  checkChannels(channels);
  const found = await findPictures(path, { split, warn, watch: options.watch });
  if (holdout === undefined) requirePart(path, found, split);
  const { pictures, isPart } = found;
  const set = pictures instanceof MemoryDataset
    ? pictureSetOf(await fitDataset(pictures, undefined, channels, options.watch))
    : await openMixedFolder(pictures, options);
  if (split === "train" && !classNames) describeEmptyClasses(set).forEach((line) => warn(line));
  const part = holdout === undefined || isPart ? set : holdOut(set, holdout)[split];
  return classNames ? withClassNames(part, classNames) : part;
}
