/**
 * A folder of pictures that keep their sizes, one sub-folder a class: see `picture_files.ts` for what
 * is found in it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { relative } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { readCaption } from "../captions.ts";
import { forEachIndex } from "../../base/concurrency.ts";
import type { PictureSize } from "../packing/patch_grid.ts";
import { readPictureSize } from "../pictures/picture.ts";
import { findPictures, fingerprintOf, type PictureFile } from "./picture_files.ts";
import { decodeSource, type PictureSet } from "../picture_set.ts";
import { SkipReport } from "../pictures/skip_report.ts";

/** How many files are read at once. */
const concurrency = 32;

/** How a folder is read. */
export interface MixedFolderOptions {
  /** 1 (grey) or 3 (colour); 3 unless told. */
  readonly channels?: number;
  /** Whether pictures have captions, see `captions.ts`; false unless told. */
  readonly captions?: boolean;
  /** Gets a line for each of the first skipped pictures and one with their count; else stderr. */
  readonly warn?: (line: string) => void;
}

/** A picture file whose head could be read. */
interface SizedFile extends PictureFile {
  readonly size: PictureSize;
}

/** The files that are pictures by their heads, in the same order; others are reported. */
async function readSizes(
  folder: string,
  files: readonly PictureFile[],
  warn: (line: string) => void,
): Promise<SizedFile[]> {
  const skips = new SkipReport(folder, warn);
  const sized: (SizedFile | undefined)[] = new Array(files.length);
  await forEachIndex(files.length, concurrency, async (index) => {
    const { path } = files[index];
    await readPictureSize(path, path).then(
      (size) => sized[index] = { ...files[index], size },
      (error) => skips.add(path, error),
    );
  });
  skips.summarize(files.length);
  return sized.filter((file) => file !== undefined);
}

async function readCaptions(
  files: readonly PictureFile[],
  classNames: readonly string[],
): Promise<string[]> {
  const captions: string[] = new Array(files.length);
  await forEachIndex(files.length, concurrency, async (index) => {
    const { path, label } = files[index];
    captions[index] = await readCaption(path, classNames[label]);
  });
  return captions;
}

/** The fingerprint of pictures together with that of their captions. */
function withCaptions(fingerprint: string, captions: readonly string[]): string {
  return createHash("sha256").update(fingerprint).update(JSON.stringify(captions)).digest("hex");
}

/**
 * Opens a folder of pictures without changing their sizes. Only the heads of the files are read.
 *
 * Files whose head is not that of a picture are reported and left out. One that turns out to be
 * damaged when it is decoded stays in the set: `decode` throws for it, and a batch leaves it out.
 *
 * @throws {InputError} when there is no picture, or none with a readable head
 */
export async function openMixedFolder(
  folder: string,
  options: MixedFolderOptions = {},
): Promise<PictureSet> {
  const { channels = 3, captions = false, warn = console.warn } = options;
  const found = await findPictures(folder);
  const { classNames } = found;
  const files = await readSizes(folder, found.files, warn);
  if (files.length === 0) {
    throw new InputError(`${folder}: none of its ${found.files.length} pictures can be decoded`);
  }
  const fingerprint = await fingerprintOf(folder, files, `mixed sizes ${channels}`);
  const texts = captions ? await readCaptions(files, classNames) : undefined;
  return {
    name: folder,
    length: files.length,
    channels,
    classNames,
    fingerprint: texts ? withCaptions(fingerprint, texts) : fingerprint,
    label: (index) => files[index].label,
    size: (index) => files[index].size,
    pictureName: (index) => relative(folder, files[index].path),
    source: (index) => files[index].path,
    decode: (index) => decodeSource(files[index].path, channels),
    ...(texts && { caption: (index: number) => texts[index] }),
  };
}
