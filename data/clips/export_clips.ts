/**
 * Sets of clips as files: what is trained on, cut out, brought to one size and stored in class folders.
 *
 * @module
 */
import { basename, extname, join } from "@std/path";
import { makeFolder } from "../../formats/files/folder.ts";
import { writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { writeSamplesNpz } from "../../formats/tensors/npz.ts";
import { type ClipFormat, writeClip } from "../../formats/video/clip_files.ts";
import { captionFile } from "./clip_captions.ts";
import { fileOfClip } from "./clip_plan.ts";
import type { ClipSet } from "./clip_set.ts";

/** How clips are stored. */
export interface ExportClipsOptions {
  readonly format: ClipFormat;
  /** See `writeClip`. */
  readonly quality?: number;
  /** Hears how many are done. */
  readonly watch?: (done: number) => void;
}

/**
 * Writes every clip of a set to a file of its own, or a folder of pictures, one sub-folder a class, and
 * their captions where it has some. What `openClips` finds there are the same clips.
 *
 * @param folder an empty one
 * @throws {InputError} when a clip cannot be decoded, or an MP4 would have odd sides
 */
export async function exportClips(
  set: ClipSet,
  folder: string,
  { format, quality, watch = () => {} }: ExportClipsOptions,
): Promise<void> {
  const names = fileNames(set);
  const captions: string[] = [];
  for (const className of new Set(names.map(({ folder }) => folder))) {
    await makeFolder(join(folder, className));
  }
  for (const [index, name] of names.entries()) {
    const parameters = describeClipOf(set, index);
    const path = join(folder, name.folder, name.stem);
    const file = await writeClip(path, format, await set.decode(index), { parameters, quality });
    const text = set.caption?.(index);
    const fileName = join(name.folder, basename(file)).replaceAll("\\", "/");
    if (text !== undefined) captions.push(JSON.stringify({ file_name: fileName, text }));
    watch(index + 1);
  }
  if (captions.length === 0) return;
  await writeTextAtomically(join(folder, captionFile), `${captions.join("\n")}\n`);
}

/** Where a clip comes from, as its file keeps it. */
function describeClipOf(set: ClipSet, index: number): Record<string, unknown> {
  return {
    clip: set.clipName(index),
    class: set.classNames[set.label(index)],
    fps: set.fps(index),
    ...(set.caption && { caption: set.caption(index) }),
  };
}

/** A name of its own for each clip: that of its file, numbered where there are several. */
function fileNames(set: ClipSet): FileName[] {
  const files = Array.from({ length: set.length }, (_, index) => {
    const hasClass = set.classNames.length > 1 || set.clipName(index).includes("/");
    const folder = hasClass ? set.classNames[set.label(index)] : "";
    const file = basename(fileOfClip(set.clipName(index)));
    return { folder, stem: basename(file, extname(file)) };
  });
  const groups = [...Map.groupBy(files, pathIn).values()];
  const taken = new Set(groups.filter(({ length }) => length === 1).map(([file]) => pathIn(file)));
  const names = new Map<FileName, FileName>();
  for (const group of groups.filter(({ length }) => length > 1)) {
    const numbered = numberedNames(group, taken);
    numbered.forEach((name) => taken.add(pathIn(name)));
    group.forEach((file, index) => names.set(file, numbered[index]));
  }
  return files.map((file) => names.get(file) ?? file);
}

/** Where the file of a clip goes, and what it is called without its ending. */
interface FileName {
  readonly folder: string;
  readonly stem: string;
}

const pathIn = ({ folder, stem }: FileName): string => join(folder, stem);

/** Names of clips that would have the same one, `walk-1`, `walk-2`, or `walk--1` where those are taken. */
function numberedNames(group: readonly FileName[], taken: ReadonlySet<string>): FileName[] {
  for (let mark = "-";; mark += "-") {
    const numbered = group.map(({ folder, stem }, index) => {
      const number = String(index + 1).padStart(String(group.length).length, "0");
      return { folder, stem: `${stem}${mark}${number}` };
    });
    if (!numbered.some((name) => taken.has(pathIn(name)))) return numbered;
  }
}

/** The file beside an archive that says what its clips are. */
export const clipListOf = (npz: string): string => npz.replace(/\.npz$/i, ".json");

/**
 * Writes all clips of a set into one npz archive, `arr_0` of bytes (clips, frames, height, width,
 * channels) and `arr_1` with their labels, and what they are as JSON beside it.
 *
 * @param path ends in `.npz`
 */
export async function exportClipsNpz(
  set: ClipSet,
  path: string,
  watch: (done: number) => void = () => {},
): Promise<void> {
  const { length, frames, height, width, channels, name, classNames } = set;
  const indices = Array.from({ length }, (_, index) => index);
  async function* pixels(): AsyncGenerator<Uint8Array> {
    for (const index of indices) {
      yield (await set.decode(index)).data;
      watch(index + 1);
    }
  }
  const labels = indices.map((index) => set.label(index));
  await writeSamplesNpz(path, [length, frames, height, width, channels], pixels(), labels);
  const clips = indices.map((index) => describeClipOf(set, index));
  const text = JSON.stringify({ name, classNames, clips }, null, 2);
  await writeTextAtomically(clipListOf(path), `${text}\n`);
}
