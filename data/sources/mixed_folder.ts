/**
 * A folder of pictures that keep their sizes, one sub-folder a class: see `picture_files.ts` for what
 * is found in it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { relative } from "@std/path";
import { captionFromNames, readCaption } from "../captions.ts";
import { forEachIndex } from "../../base/concurrency.ts";
import type { PictureSize } from "../packing/patch_grid.ts";
import { readPictureSize } from "../pictures/picture.ts";
import {
  classifyPictures,
  describeLeftOut,
  fingerprintOf,
  type FoundPictures,
  type PictureFile,
  requirePicturesOfEachClass,
} from "./picture_files.ts";
import type { OpeningWatch, ScannedFolder } from "./scan.ts";
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
  /** Hears how far reading is. */
  readonly watch?: OpeningWatch;
}

/** A picture file whose head could be read. */
interface SizedFile extends PictureFile {
  readonly size: PictureSize;
}

/** The files that are pictures by their heads, in the same order; others are reported. */
async function readSizes(
  folder: string,
  found: FoundPictures,
  warn: (line: string) => void,
  watch: OpeningWatch,
): Promise<SizedFile[]> {
  const { files } = found;
  const skips = new SkipReport(folder, warn);
  const sized: (SizedFile | undefined)[] = new Array(files.length);
  let done = 0;
  watch("heads read", done, files.length);
  await forEachIndex(files.length, concurrency, async (index) => {
    const { path } = files[index];
    await readPictureSize(path, path).then(
      (size) => sized[index] = { ...files[index], size },
      (error) => skips.add(path, error),
    );
    watch("heads read", ++done, files.length);
  });
  skips.summarize(files.length);
  requirePicturesOfEachClass(folder, found, (index) => sized[index] !== undefined);
  return sized.filter((file) => file !== undefined);
}

/** The captions of files; those whose text cannot be read are reported, and have one of names. */
async function readCaptions(
  folder: string,
  files: readonly PictureFile[],
  classNames: readonly string[],
  warn: (line: string) => void,
  watch: OpeningWatch,
): Promise<string[]> {
  const skips = new SkipReport(folder, warn, "captions");
  const captions: string[] = new Array(files.length);
  let done = 0;
  await forEachIndex(files.length, concurrency, async (index) => {
    const { path, label } = files[index];
    captions[index] = await readCaption(path, classNames[label]).catch((error) => {
      skips.add(path, error);
      return captionFromNames(classNames[label], path);
    });
    watch("captions read", ++done, files.length);
  });
  skips.summarize(files.length, "; class and name of the file are their captions instead");
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
 * @param scanned has pictures, in it or below
 * @throws {InputError} when no picture of a class has a readable head
 */
export async function openMixedFolder(
  scanned: ScannedFolder,
  options: MixedFolderOptions = {},
): Promise<PictureSet> {
  const { channels = 3, captions = false, warn = console.warn, watch = () => {} } = options;
  const { path: folder } = scanned;
  describeLeftOut(scanned).forEach((line) => warn(line));
  const found = classifyPictures(scanned);
  const { classNames } = found;
  const files = await readSizes(folder, found, warn, watch);
  const fingerprint = await fingerprintOf(folder, files, `mixed sizes ${channels}`, watch);
  const texts = captions ? await readCaptions(folder, files, classNames, warn, watch) : undefined;
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
    decode: (index) => decodeSource(files[index].path, channels, files[index].size),
    ...(texts && { caption: (index: number) => texts[index] }),
  };
}
