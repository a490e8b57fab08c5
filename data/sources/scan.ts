/**
 * What lies in a folder and below it: pictures, files that look like pictures and cannot be read, and
 * others.
 *
 * @module
 */

import { basename, extname, join } from "@std/path";

/** Extensions of the formats that sharp reads. */
export const pictureExtensions: readonly string[] = [
  ...[".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".apng", ".webp", ".avif", ".gif"],
  ...[".tif", ".tiff", ".svg", ".svgz"],
];

/** Extensions of pictures in other formats. A file may have one and be a JPEG all the same. */
const foreignExtensions: readonly string[] = [
  ...[".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm", ".ico", ".cur", ".tga"],
  ...[".heic", ".heif", ".hif", ".jxl", ".jp2", ".j2k", ".jpx", ".jxr", ".wdp", ".qoi", ".mpo"],
  ...[".psd", ".psb", ".xcf", ".pcx", ".dds", ".exr", ".hdr", ".eps", ".dcm", ".fits", ".fit"],
  ...[".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".raw"],
];

/** How files start that sharp reads; TIFF is missing, for cameras' raw formats start like it. */
const signatures: readonly RegExp[] = [
  /^\xff\xd8\xff/, // JPEG
  /^\x89PNG\r\n/,
  /^GIF8[79]a/,
  /^RIFF[^]{4}WEBP/,
  /^[^]{4}ftypavi[fs]/, // AVIF
];

/** Names in a folder, sorted; a link counts as what it leads to, and hidden ones are left out. */
export interface FolderListing {
  /** Regular files. */
  readonly files: readonly string[];
  /** Folders. */
  readonly folders: readonly string[];
  /** Named pipes, devices, links that lead nowhere. */
  readonly irregular: readonly string[];
}

/** A folder with everything below it. */
export interface ScannedFolder {
  /** Where it is. */
  readonly path: string;
  /** The last part of its path. */
  readonly name: string;
  /** Names of its pictures, sorted. */
  readonly pictures: readonly string[];
  /** Names of pictures in formats that cannot be read. */
  readonly unreadable: readonly string[];
  /** Names that belong to no regular file; see {@link FolderListing}. */
  readonly irregular: readonly string[];
  /** Names of its other files. */
  readonly others: readonly string[];
  /** Its sub-folders, sorted by name. */
  readonly folders: readonly ScannedFolder[];
  /** Number of pictures in it and below. */
  readonly pictureCount: number;
}

/** Hears how far the opening of a data set is: often, and from the beginning. */
export type OpeningWatch = (stage: OpeningStage, done: number, total?: number) => void;

/** What takes its time when a data set is opened; the first has no total. */
export type OpeningStage =
  | "files seen"
  | "pictures decoded"
  | "pictures fitted"
  | "clips looked into"
  | "clips decoded"
  | "heads read"
  | "captions read"
  | "lengths read";

/** Lists a folder. */
export async function listFolder(path: string): Promise<FolderListing> {
  const [files, folders, irregular]: string[][] = [[], [], []];
  for await (const entry of Deno.readDir(path)) {
    if (entry.name.startsWith(".")) continue;
    const { isFile, isDirectory } = entry.isSymlink
      ? await Deno.stat(join(path, entry.name)).catch(() => entry)
      : entry;
    (isFile ? files : isDirectory ? folders : irregular).push(entry.name);
  }
  return { files: files.sort(), folders: folders.sort(), irregular: irregular.sort() };
}

const extensionOf = (name: string): string => extname(name).toLowerCase();

/** Whether a file starts like a picture that sharp reads. */
async function startsLikePicture(path: string): Promise<boolean> {
  const start = new Uint8Array(16);
  try {
    using file = await Deno.open(path);
    await file.read(start);
  } catch {
    return false;
  }
  const text = String.fromCharCode(...start);
  return signatures.some((signature) => signature.test(text));
}

/** Whether a file is a picture by its name, or by its contents where the name does not tell. */
async function isPicture(folder: string, name: string): Promise<boolean> {
  const extension = extensionOf(name);
  if (pictureExtensions.includes(extension)) return true;
  const isDoubtful = extension === "" || foreignExtensions.includes(extension);
  return isDoubtful && await startsLikePicture(join(folder, name));
}

/** Whether a file has the name of a picture, in a format that can be read or not. */
export function looksLikePicture(name: string): boolean {
  const extension = extensionOf(name);
  return pictureExtensions.includes(extension) || foreignExtensions.includes(extension);
}

/**
 * Lists a folder and everything below it. A link back to a folder that it lies in is left out.
 *
 * @param watch hears of files as they are seen
 */
export async function scanFolder(path: string, watch: OpeningWatch = () => {}) {
  let seen = 0;
  const scan = async (path: string, inside: ReadonlySet<string>): Promise<ScannedFolder[]> => {
    const real = await Deno.realPath(path);
    if (inside.has(real)) return [];
    const { files, folders, irregular } = await listFolder(path);
    watch("files seen", seen += files.length);
    const pictures: string[] = [];
    const rest: string[] = [];
    for (const name of files) (await isPicture(path, name) ? pictures : rest).push(name);
    const below: ScannedFolder[] = [];
    const within = new Set(inside).add(real);
    for (const name of folders) below.push(...await scan(join(path, name), within));
    return [{
      path,
      name: basename(path),
      pictures,
      unreadable: rest.filter(looksLikePicture),
      irregular,
      others: rest.filter((name) => !looksLikePicture(name)),
      folders: below,
      pictureCount: pictures.length + below.reduce((sum, folder) => sum + folder.pictureCount, 0),
    }];
  };
  const [scanned] = await scan(path, new Set());
  return scanned;
}

/** A folder and all below it, each before those inside of it. */
export function* foldersFrom(folder: ScannedFolder): Generator<ScannedFolder> {
  yield folder;
  for (const inner of folder.folders) yield* foldersFrom(inner);
}

/** The pictures that cannot be read, in a folder and below, as `2 .bmp, 1 .heic`; "" for none. */
export function describeUnreadable(folder: ScannedFolder): string {
  const names = foldersFrom(folder).flatMap(({ unreadable }) => unreadable);
  const byExtension = Map.groupBy(names, extensionOf).entries().toArray();
  return byExtension
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([extension, { length }]) => `${length} ${extension}`)
    .join(", ");
}
