/**
 * Clips in a folder, and their classes.
 *
 * A clip is a file, or a folder of numbered pictures. Folders at the top that hold clips, sorted by
 * name, are classes 0, 1, ...; clips may lie deeper inside of them. Where all clips lie at the top,
 * there is one class.
 *
 * @module
 */
import { basename, dirname, extname, join, relative } from "@std/path";
import { InputError, quote } from "../../base/errors.ts";
import { ForeignVideoError } from "../../formats/video/mp4_reader.ts";
import { requireNoCache } from "../latents/cache.ts";
import { labelOf } from "../class_names.ts";
import { MissingDataError } from "../find.ts";
import type { Split } from "../sources/idx.ts";
import { partsOf } from "../sources/parts.ts";
import {
  looksLikePicture,
  type OpeningWatch,
  scanFolder,
  type ScannedFolder,
} from "../sources/scan.ts";
import { frameNumber } from "./sources/frame_folder.ts";
import { sourceKinds } from "./sources/kinds.ts";
import type { ClipSource } from "./sources/source.ts";

/** Extensions of files that may be animated pictures. */
const animationExtensions = [".webp", ".gif"];

/** Extensions of files of boxes, which the tool may read itself: AVIF may be a video too. */
const boxExtensions = [".mp4", ".m4v", ".mov", ".avif"];

/** Extensions of other videos. */
const videoExtensions = [
  ...[".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".ts", ".mts", ".m2ts", ".ogv", ".ogg"],
  ...[
    ".apng",
    ".wmv",
    ".asf",
    ".flv",
    ".3gp",
    ".3g2",
    ".y4m",
    ".vob",
    ".mxf",
    ".rm",
    ".rmvb",
    ".divx",
  ],
];

/** What is recognised, for the message when nothing is. */
const lookedFor =
  "animated .webp and .gif, .mp4, other videos (.mkv .webm .avi ... through ffmpeg), " +
  "folders of numbered pictures";

/** Something that is, or may be, a clip. */
export interface FoundClip {
  readonly source: ClipSource;
  /** Its path in the folder of the set, with forward slashes. */
  readonly name: string;
  /** Its class. */
  readonly label: number;
}

/** Something that is no clip of the set, and why. */
export interface LeftOut {
  /** Its path in the folder of the set. */
  readonly name: string;
  readonly reason: LeftOutReason;
  readonly detail: string;
}

/** Why something is no clip of the set. */
export type LeftOutReason = "still picture" | "unknown format" | "beside the classes";

/** The clips of a folder, sorted by class, then path. */
export interface FoundClips {
  /** The folder of the set, or of its part. */
  readonly folder: string;
  readonly classNames: readonly string[];
  readonly clips: readonly FoundClip[];
  readonly leftOut: readonly LeftOut[];
  /** Whether this is one part of a whole that is divided into parts. */
  readonly isPart: boolean;
}

/** How clips are looked for. */
export interface FindClipsOptions {
  /** Which part, where there are several. */
  readonly split: Split;
  /** The classes that labels count in; those of the folder unless told. */
  readonly classNames?: readonly string[];
  /** Hears how far the search is. */
  readonly watch?: OpeningWatch;
}

/** A source and its path in the folder of the set, cut at the slashes. */
interface Entry {
  readonly source: ClipSource;
  readonly segments: readonly string[];
}

/**
 * Finds the clips that a path leads to: a file, or a folder with its sub-folders.
 *
 * @throws {InputError} when there is nothing that may be a clip, saying what was looked for
 */
export async function findClips(path: string, options: FindClipsOptions): Promise<FoundClips> {
  const info = await Deno.stat(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new MissingDataError(`${path}: no such file or folder`);
  });
  if (info.isFile) return findInFile(path, options);
  if (!info.isDirectory) throw new InputError(`${path}: neither a regular file nor a folder`);
  await requireNoCache(path);
  const { folder, isPart } = enterPart(await scanFolder(path, options.watch), options.split);
  const entries: Entry[] = [];
  const leftOut: LeftOut[] = [];
  await collect(folder, folder.path, entries, leftOut);
  if (entries.length === 0) {
    const [first] = leftOut;
    const others = first ? `, only other files: ${leftOut.length}, such as ${describe(first)}` : "";
    throw new InputError(`${folder.path}: no clips${others}; looked for ${lookedFor}`);
  }
  return { ...classify(folder.path, entries, leftOut, options.classNames), isPart };
}

const describe = ({ name, reason }: LeftOut): string => `${quote(name)} (${reason})`;

function findInFile(path: string, { classNames }: FindClipsOptions): FoundClips {
  const source = sourceOf(path);
  if (!source) throw new InputError(`${path}: not a clip; looked for ${lookedFor}`);
  const folder = dirname(path);
  const found = classify(folder, [{ source, segments: [basename(path)] }], [], classNames);
  return { ...found, isPart: false };
}

/** The part of a folder that is wanted, or the folder itself where it is not divided. */
function enterPart(
  folder: ScannedFolder,
  split: Split,
): { readonly folder: ScannedFolder; readonly isPart: boolean } {
  const parts = partsOf(folder.path, folder.folders.map(({ name }) => name));
  if (!parts) return { folder, isPart: false };
  // Without a test part the part for training is the whole set.
  const wanted = parts[split] ?? parts.train;
  const part = folder.folders.find(({ name }) => name === wanted);
  if (part) return { folder: part, isPart: parts.test !== undefined };
  throw new InputError(
    `${folder.path}: has no train part; give ${join(folder.path, parts.test!)} to train on it`,
  );
}

/** The source that a file is, by its name; undefined when it is none. */
export function sourceOf(path: string): ClipSource | undefined {
  const extension = extname(path).toLowerCase();
  if (animationExtensions.includes(extension)) return { kind: "animation", path };
  if (boxExtensions.includes(extension)) return { kind: "mp4", path };
  return videoExtensions.includes(extension) ? { kind: "video", path } : undefined;
}

const stillPicture = {
  reason: "still picture",
  detail: "frames of a clip have a folder of their own and are numbered",
} as const;

const unknownFormat = {
  reason: "unknown format",
  detail: "pictures in this format, or what is no regular file, cannot be read",
} as const;

/** A path in a folder, with forward slashes; the folder itself by its own name. */
const nameIn = (folder: string, path: string): string =>
  relative(folder, path).replaceAll("\\", "/") || basename(folder);

/** Finds everything in a folder and below that may be a clip, and pictures that are none. */
async function collect(
  { path, pictures, others, folders, unreadable, irregular }: ScannedFolder,
  root: string,
  entries: Entry[],
  leftOut: LeftOut[],
): Promise<void> {
  const add = (source: ClipSource) =>
    entries.push({ source, segments: nameIn(root, source.path).split("/") });
  const names = framesIn(pictures);
  const isClip = names !== undefined && await isStill(join(path, names[0]));
  if (isClip) add({ kind: "frames", path, names });
  for (const name of isClip ? [] : pictures) {
    const source = sourceOf(join(path, name));
    if (source) add(source);
    else leftOut.push({ name: nameIn(root, join(path, name)), ...stillPicture });
  }
  for (const name of others) {
    const source = sourceOf(join(path, name));
    if (source) add(source);
  }
  const isMeant = (name: string) => looksLikePicture(name) || sourceOf(name) !== undefined;
  for (const name of [...unreadable, ...irregular.filter(isMeant)]) {
    leftOut.push({ name: nameIn(root, join(path, name)), ...unknownFormat });
  }
  for (const inner of folders) await collect(inner, root, entries, leftOut);
}

/**
 * The pictures of a folder in the order of their numbers, when they are called like the frames of one
 * clip: at least two, alike but for a number at the end.
 */
function framesIn(pictures: readonly string[]): readonly string[] | undefined {
  const stems = new Set(pictures.map(stemOf));
  if (pictures.length < 2 || stems.size > 1 || stems.has(undefined)) return undefined;
  return pictures.toSorted((a, b) => frameNumber(a)! - frameNumber(b)!);
}

/** The name of a frame without its number; undefined where it has none. */
const stemOf = (name: string): string | undefined =>
  frameNumber(name) === undefined ? undefined : name.replace(/\d+(\.[^.]+)$/, "*$1");

/** Whether a picture does not move; numbered animations are clips of their own. */
async function isStill(path: string): Promise<boolean> {
  const source = sourceOf(path);
  if (!source) return true;
  // APNG, which only ffmpeg reads: as a picture it is called .png.
  if (source.kind === "video") return false;
  // What cannot be read is reported when its head is.
  return await sourceKinds[source.kind].head(source).then(
    ({ frames }) => frames === 1,
    (error) => !(error instanceof ForeignVideoError),
  );
}

/** Sorts clips by class. */
function classify(
  folder: string,
  entries: readonly Entry[],
  others: readonly LeftOut[],
  known: readonly string[] | undefined,
): Omit<FoundClips, "isPart"> {
  const isInClass = ({ segments }: Entry) => segments.length > 1;
  const inClasses = entries.filter(isInClass);
  const chosen = inClasses.length > 0 ? inClasses : entries;
  const classOf = ({ segments }: Entry) => inClasses.length > 0 ? segments[0] : basename(folder);
  const names = [...new Set(chosen.map(classOf))].sort();
  // As many classes are the same ones, though folders may have been renamed.
  const labels = new Map(
    names.map((name, label) =>
      [name, known && known.length !== names.length ? labelOf(folder, name, known) : label] as const
    ),
  );
  const clips = chosen.map((entry) => ({
    source: entry.source,
    name: entry.segments.join("/"),
    label: labels.get(classOf(entry))!,
  }));
  const rest = inClasses.length > 0 ? entries.filter((entry) => !isInClass(entry)) : [];
  const besides = rest.map(({ segments }) => ({
    name: segments.join("/"),
    reason: "beside the classes" as const,
    detail: `beside the folders of classes, such as ${quote(names[0])}`,
  }));
  return {
    folder,
    classNames: known ?? names,
    clips: clips.sort((a, b) => a.label - b.label || (a.name < b.name ? -1 : 1)),
    leftOut: [...others, ...besides],
  };
}
