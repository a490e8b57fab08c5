/**
 * Picture files and their classes, found in a folder.
 *
 * Sub-folders sorted by name are classes 0, 1, ...; pictures may lie deeper inside them. A folder
 * without sub-folders is one class.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, extname, join, relative } from "@std/path";
import { InputError } from "../../base/errors.ts";

/** Extensions of the formats sharp reads. */
const extensions = new Set(
  [".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff", ".svg"],
);

/** A picture file and its class. */
export interface PictureFile {
  /** Where it is. */
  readonly path: string;
  /** Its class. */
  readonly label: number;
}

/** Whether a file name has the extension of a picture. Hidden files are none. */
export function isPictureName(name: string): boolean {
  return !name.startsWith(".") && extensions.has(extname(name).toLowerCase());
}

/** Names in a folder by kind, sorted; a link counts as what it leads to. */
async function listFolder(folder: string): Promise<{ folders: string[]; pictures: string[] }> {
  const folders: string[] = [];
  const pictures: string[] = [];
  for await (const { name, isSymlink, isDirectory } of Deno.readDir(folder)) {
    if (name.startsWith(".")) continue;
    const leadsToFolder = async () =>
      await Deno.stat(join(folder, name)).then((info) => info.isDirectory, () => false);
    if (isSymlink ? await leadsToFolder() : isDirectory) folders.push(name);
    else if (isPictureName(name)) pictures.push(name);
  }
  return { folders: folders.sort(), pictures: pictures.sort() };
}

/**
 * All pictures in a folder and below it, in sorted order.
 *
 * @param seen folders that this one is inside of
 */
export async function* picturesBelow(
  folder: string,
  seen: ReadonlySet<string> = new Set(),
): AsyncGenerator<string> {
  const real = await Deno.realPath(folder);
  if (seen.has(real)) return; // a link to a folder that we are inside of
  const { folders, pictures } = await listFolder(folder);
  for (const name of pictures) yield join(folder, name);
  const inside = new Set(seen).add(real);
  for (const name of folders) yield* picturesBelow(join(folder, name), inside);
}

async function listClasses(
  folder: string,
): Promise<{ classNames: string[]; files: PictureFile[] }> {
  const { folders, pictures } = await listFolder(folder);
  const files: PictureFile[] = [];
  for (const [label, name] of folders.entries()) {
    for await (const path of picturesBelow(join(folder, name))) {
      files.push({ path, label });
    }
  }
  if (folders.length > 0) return { classNames: folders, files };
  const single = pictures.map((name) => ({ path: join(folder, name), label: 0 }));
  return { classNames: [basename(folder)], files: single };
}

/**
 * Class names and picture files of a folder, sorted by class, then path.
 *
 * @throws {InputError} when there is no picture
 */
export async function findPictures(
  folder: string,
): Promise<{ classNames: string[]; files: PictureFile[] }> {
  const found = await listClasses(folder);
  if (found.files.length > 0) return found;
  const known = [...extensions].join(" ");
  throw new InputError(`${folder}: no pictures (${known}) in it or in its sub-folders`);
}

/**
 * The SHA-256 of names and lengths in bytes: contents would take too long to read.
 *
 * @param how what else tells one way of reading the pictures from another
 */
export async function fingerprintOf(
  folder: string,
  files: readonly PictureFile[],
  how: string,
): Promise<string> {
  const hash = createHash("sha256").update(how);
  for (const { path } of files) {
    const { size } = await Deno.stat(path);
    hash.update(`\n${size} ${relative(folder, path)}`);
  }
  return hash.digest("hex");
}
