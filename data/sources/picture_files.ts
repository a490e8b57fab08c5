/**
 * Picture files and their classes, found in a folder.
 *
 * Sub-folders with pictures, sorted by name, are classes 0, 1, ...; pictures may lie deeper inside
 * them. A folder whose sub-folders hold no picture is one class.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join, relative } from "@std/path";
import { forEachIndex } from "../../base/concurrency.ts";
import { InputError, quote } from "../../base/errors.ts";
import { labelOf } from "../class_names.ts";
import {
  describeUnreadable,
  foldersFrom,
  looksLikePicture,
  type OpeningWatch,
  type ScannedFolder,
} from "./scan.ts";

/** A picture file and its class. */
export interface PictureFile {
  /** Where it is. */
  readonly path: string;
  /** Its class. */
  readonly label: number;
}

/** Pictures of a folder, sorted by class, then path. */
export interface FoundPictures {
  /** Names of the classes; without a list of them, each has pictures. */
  readonly classNames: readonly string[];
  /** The pictures. */
  readonly files: readonly PictureFile[];
}

/** The pictures in a folder and below it, those of a folder before those of its sub-folders. */
export function picturesBelow(folder: ScannedFolder): string[] {
  return foldersFrom(folder)
    .flatMap(({ path, pictures }) => pictures.map((name) => join(path, name)))
    .toArray();
}

/** The folders that are classes: those with pictures, or a flat folder itself. */
function classFolders(folder: ScannedFolder): readonly ScannedFolder[] {
  const classes = folder.folders.filter(({ pictureCount }) => pictureCount > 0);
  return classes.length > 0 ? classes : [folder];
}

/**
 * Sorts pictures by class.
 *
 * @param folder has pictures, in it or below
 * @param known the classes that labels count in, found by name where there are fewer in the folder;
 * those of the folder unless told
 * @throws {InputError} when there are pictures of a class that is not among those known
 */
export function classifyPictures(folder: ScannedFolder, known?: readonly string[]): FoundPictures {
  const folders = classFolders(folder);
  const names = folders.map(({ name }) => name);
  // As many classes are the same ones, though folders may have been renamed.
  const labels = known && known.length !== names.length
    ? names.map((name) => labelOf(folder.path, name, known))
    : names.keys().toArray();
  return {
    classNames: known ?? names,
    files: folders.flatMap((inner, index) =>
      picturesBelow(inner).map((path) => ({ path, label: labels[index] }))
    ),
  };
}

/** At most three names, and how many there are beside them. */
function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}

/** Lines about everything in a folder that looks as if it belonged to its pictures, and does not. */
export function describeLeftOut(folder: ScannedFolder): string[] {
  const { path } = folder;
  const lines: string[] = [];
  const unreadable = describeUnreadable(folder);
  if (unreadable) lines.push(`${path}: left out: ${unreadable}, which cannot be read`);
  const irregular = foldersFrom(folder).flatMap((inner) =>
    inner.irregular.filter(looksLikePicture)
      .map((name) => relative(path, join(inner.path, name)))
  ).toArray();
  if (irregular.length > 0) {
    lines.push(`${path}: left out: ${someOf(irregular)}: no regular files`);
  }
  const classes = classFolders(folder);
  if (classes[0] !== folder) lines.push(...describeBesides(folder, classes));
  return lines;
}

/** Lines about what lies beside the folders of classes. */
function describeBesides(
  { path, pictures, folders }: ScannedFolder,
  classes: readonly ScannedFolder[],
): string[] {
  const lines: string[] = [];
  if (pictures.length > 0) {
    lines.push(
      `${path}: left out: pictures beside the folders of classes: ${pictures.length}, such as ` +
        pictures[0],
    );
  }
  const others = folders.filter(({ pictureCount }) => pictureCount === 0);
  const empty = others.filter((folder) => describeUnreadable(folder) === "");
  if (empty.length > 0) {
    const names = someOf(empty.map(({ name }) => name));
    lines.push(`${path}: left out: folders without pictures: ${names}`);
  }
  for (const folder of others.filter((folder) => !empty.includes(folder))) {
    lines.push(
      `warning: ${path}: class ${quote(folder.name)} is left out: none of its pictures can be ` +
        `read (${describeUnreadable(folder)})`,
    );
  }
  if (classes.every((folder) => folder.pictures.length === 0)) {
    const [{ name, folders: inner }] = classes;
    lines.push(
      `warning: ${path}: the folders of classes hold folders instead of pictures: all pictures of ` +
        `${someOf(inner.map((folder) => join(name, folder.name)))} are of class ${quote(name)}`,
    );
  }
  return lines;
}

/**
 * Refuses a set in which a class has files, and none of them is a picture.
 *
 * @param isPicture tells whether a file is one, by its place among those found
 * @throws {InputError} that names the class and its first file
 */
export function requirePicturesOfEachClass(
  folder: string,
  { classNames, files }: FoundPictures,
  isPicture: (index: number) => boolean,
): void {
  const byClass = Map.groupBy(files.keys(), (index) => files[index].label).entries().toArray();
  const damaged = byClass.filter(([, indices]) => !indices.some(isPicture));
  if (damaged.length === 0) return;
  const [[label, indices]] = damaged;
  const isAll = damaged.length === byClass.length;
  const what = isAll
    ? `its ${files.length} pictures`
    : `the ${indices.length} pictures of class ${quote(classNames[label])}`;
  throw new InputError(
    `${folder}: none of ${what} can be decoded, such as ${
      relative(folder, files[indices[0]].path)
    }; ` +
      "repair them or take them out",
  );
}

/** How many files are asked for their length at once. */
const concurrency = 32;

/**
 * The SHA-256 of names and lengths in bytes: contents would take too long to read.
 *
 * @param how what else tells one way of reading the pictures from another
 * @param watch hears how far it is
 */
export async function fingerprintOf(
  folder: string,
  files: readonly PictureFile[],
  how: string,
  watch: OpeningWatch,
): Promise<string> {
  let done = 0;
  const lines: string[] = new Array(files.length);
  await forEachIndex(files.length, concurrency, async (index) => {
    const { path } = files[index];
    lines[index] = `\n${(await Deno.stat(path)).size} ${relative(folder, path)}`;
    watch("lengths read", ++done, files.length);
  });
  const hash = createHash("sha256").update(how);
  for (const line of lines) hash.update(line);
  return hash.digest("hex");
}
