/**
 * Finding what a path leads to: which form of data set, where in its folders, and which part.
 *
 * @module
 */

import { basename, join, relative } from "@std/path";
import { InputError } from "../base/errors.ts";
import { requireNoCache } from "./latents/cache.ts";
import type { MemoryDataset } from "./memory_dataset.ts";
import { isCifarName, openCifar } from "./sources/cifar.ts";
import { isIdxImagesName, openIdxDataset, type Split } from "./sources/idx.ts";
import { openNpzDataset } from "./sources/npz.ts";
import { isPartName, partsOf } from "./sources/parts.ts";
import { isSheetFolder, openPictureSheets } from "./sources/picture_sheet.ts";
import {
  describeUnreadable,
  foldersFrom,
  listFolder,
  type OpeningWatch,
  pictureExtensions,
  scanFolder,
  type ScannedFolder,
} from "./sources/scan.ts";

/** What is recognised, for the message when nothing is. */
const lookedFor = "labels.json with sheet-*.png, *-images-idx3-ubyte[.gz], data_batch_*.bin or " +
  "train.bin (CIFAR), sub-folders of pictures, *.npz";

/** What a path leads to. */
export interface Found {
  /** A set read into memory, or a folder with pictures and the part entered. */
  readonly pictures: MemoryDataset | ScannedFolder;
  /** Whether this is one part of a whole that is divided into parts. */
  readonly isPart: boolean;
}

/** How a path is looked into. */
export interface FindOptions {
  /** The part that is wanted. */
  readonly split: Split;
  /** Gets lines about what is left out. */
  readonly warn: (line: string) => void;
  /** Hears how far the search is. */
  readonly watch?: OpeningWatch;
}

async function findInFile(path: string): Promise<Found> {
  const name = basename(path);
  if (/\.npz$/i.test(name)) return { pictures: await openNpzDataset(path), isPart: false };
  if (isCifarName(name)) return { pictures: await openCifar(path), isPart: true };
  if (isIdxImagesName(name)) return { pictures: await openIdxDataset(path), isPart: true };
  throw new InputError(`${path}: not a data set; looked for ${lookedFor}`);
}

/** Opens a folder in a form that is read into memory; undefined when it is of none. */
async function findInMemory(
  path: string,
  files: readonly string[],
  split: Split,
): Promise<Found | undefined> {
  if (await isSheetFolder(path, files)) {
    return { pictures: await openPictureSheets(path), isPart: false };
  }
  if (files.some(isIdxImagesName)) {
    return { pictures: await openIdxDataset(path, split), isPart: true };
  }
  if (files.some(isCifarName)) return { pictures: await openCifar(path, split), isPart: true };
  return undefined;
}

const hasPictures = ({ pictureCount }: ScannedFolder): boolean => pictureCount > 0;

/** The only folder with pictures inside of one that has none of its own. */
function onlyFolder({ pictures, folders }: ScannedFolder): ScannedFolder | undefined {
  const [only, ...others] = folders.filter(hasPictures);
  return pictures.length === 0 && others.length === 0 ? only : undefined;
}

/** Whether a folder is a set of sheets, or one with parts, in itself or in its only folder. */
async function isWholeSet(folder: ScannedFolder): Promise<boolean> {
  const { path, pictures, others, folders } = folder;
  if (partsOf(path, folders.filter(hasPictures).map(({ name }) => name))) return true;
  if (await isSheetFolder(path, [...others, ...pictures])) return true;
  const only = onlyFolder(folder);
  return only !== undefined && await isWholeSet(only);
}

/** Finds the part of a folder that is wanted; it may lie in one more folder. */
async function findInTree(folder: ScannedFolder, options: FindOptions): Promise<Found> {
  const { path, pictures, others } = folder;
  const { split, warn } = options;
  const inMemory = await findInMemory(path, [...others, ...pictures], split);
  if (inMemory) return inMemory;
  if (!hasPictures(folder)) return await findBelow(folder, split);
  const holding = folder.folders.filter(hasPictures);
  const parts = partsOf(path, holding.map(({ name }) => name));
  if (parts) {
    describeBesideParts(folder).forEach((line) => warn(line));
    // Without a test part the part for training is the whole set, of which a share may be held out.
    const wanted = parts[split] ?? parts.train;
    const part = holding.find(({ name }) => name === wanted);
    if (!part) {
      throw new InputError(
        `${path}: has no train part; give ${join(path, parts.test!)} to train on it`,
      );
    }
    const found = await findInTree(part, options);
    return { ...found, isPart: found.isPart || parts.test !== undefined };
  }
  const only = onlyFolder(folder);
  if (only && await isWholeSet(only)) return await findInTree(only, options);
  return { pictures: folder, isPart: false };
}

/** Lines about the pictures of a divided set that are in none of its parts. */
function describeBesideParts({ path, pictures, folders }: ScannedFolder): string[] {
  const others = folders.filter((folder) => hasPictures(folder) && !isPartName(folder.name));
  return [
    ...pictures.slice(0, 1).map((name) =>
      `${path}: left out: pictures beside the parts: ${pictures.length}, such as ${name}`
    ),
    ...others.map(({ name, pictureCount }) =>
      `${path}: left out: ${name} with ${pictureCount} pictures, which is no part`
    ),
  ];
}

/** Finds the only set that is read into memory in the folders below one that holds no pictures. */
async function findBelow(folder: ScannedFolder, split: Split): Promise<Found> {
  const sets = foldersFrom(folder).filter(({ others }) =>
    others.some((name) => isIdxImagesName(name) || isCifarName(name))
  ).toArray();
  if (sets.length > 1) {
    const paths = sets.map(({ path }) => relative(folder.path, path));
    throw new InputError(
      `${folder.path}: holds several sets; give one of them: ${paths.slice(0, 8).join(", ")}`,
    );
  }
  const [set] = sets;
  const found = set && await findInMemory(set.path, set.others, split);
  if (found) return found;
  throw new InputError(`${folder.path}: not a data set: ${describeNothing(folder)}`);
}

/** What a folder without pictures holds instead, and what was looked for. */
function describeNothing(folder: ScannedFolder): string {
  const pickled = foldersFrom(folder).find(({ others }) =>
    others.includes("batches.meta") || others.includes("meta") && others.includes("train")
  );
  if (pickled) {
    return `${pickled.path} is the Python version of CIFAR, which cannot be read; ` +
      "the binary version can";
  }
  const unreadable = describeUnreadable(folder);
  const instead = unreadable && `, only ${unreadable}, which cannot be read`;
  return `no pictures (${pictureExtensions.join(" ")}) in it or in its sub-folders${instead}; ` +
    `looked for ${lookedFor}`;
}

/** There is nothing where a data set should be. */
export class MissingDataError extends InputError {}

/**
 * Finds what a path leads to and enters the part.
 *
 * @throws {InputError} when it leads to nothing that is known, saying what was looked for
 */
export async function findPictures(path: string, options: FindOptions): Promise<Found> {
  const info = await Deno.stat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) {
      throw new MissingDataError(`${path}: no such file or folder`);
    }
    throw error;
  });
  if (info.isFile) return await findInFile(path);
  if (!info.isDirectory) throw new InputError(`${path}: neither a regular file nor a folder`);
  await requireNoCache(path);
  // Before all below is looked at, which takes its time.
  return await findInMemory(path, (await listFolder(path)).files, options.split) ??
    await findInTree(await scanFolder(path, options.watch), options);
}
