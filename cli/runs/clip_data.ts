/**
 * Clips as commands open and show them.
 *
 * @module
 */
import { basename, dirname } from "@std/path";
import { summarizeClips } from "../../data/clips/clip_report.ts";
import type { ClipSet } from "../../data/clips/clip_set.ts";
import { openMovingPictures } from "../../data/clips/moving_pictures.ts";
import { openClips, type OpenClipsOptions } from "../../data/clips/open_clips.ts";
import { requireNoFolder, writeBytesAtomically } from "../../formats/files/atomic_file.ts";
import { makeFolder } from "../../formats/files/folder.ts";
import { clipSheet } from "../../formats/video/clip_sheet.ts";
import { checkClipFlags, type ClipDataValues } from "../flags/clip_data_flags.ts";
import { assetPath } from "../terminal/assets.ts";
import { UsageError } from "../terminal/errors.ts";

/** Clips that come with the tool: animations in a folder, and pictures that it moves itself. */
export const shippedClips = { motion: "shipped:motion", moving: "shipped:moving-fashion" } as const;

/** What is asked of a set besides the flags. */
export type ClipDataOptions =
  & Pick<OpenClipsOptions, "channels" | "split" | "holdout" | "captions" | "classNames">
  & Pick<OpenClipsOptions, "warn" | "watch">
  & {
    /** Seed of clips that are made. */
    readonly seed?: number;
  };

/**
 * Opens clips: those at a path, or shipped ones by their name.
 *
 * @throws {UsageError} when flags contradict each other, or the data
 * @throws {InputError} when there are no clips
 */
export async function openClipData(
  place: string,
  values: ClipDataValues,
  options: ClipDataOptions = {},
): Promise<ClipSet> {
  checkClipFlags(values);
  if (values.previewData !== undefined) await preparePreview(values.previewData);
  if (place === shippedClips.moving) return await openMoving(values, options);
  const { frames, fps, stride, hop, folderFps, size, crop } = values;
  const path = place === shippedClips.motion ? assetPath("data/samples/motion") : place;
  return await openClips(path, {
    ...{ frames, fps, stride, hop, folderFps, size, crop },
    ...options,
  });
}

/** Has a sheet find its folder, before clips are decoded for it. */
async function preparePreview(path: string): Promise<void> {
  await requireNoFolder(path);
  await makeFolder(dirname(path));
}

async function openMoving(
  { frames, fps, size, stride, hop, folderFps }: ClipDataValues,
  { channels, split, holdout, seed }: ClipDataOptions,
): Promise<ClipSet> {
  if (stride !== undefined || hop !== undefined || folderFps !== undefined) {
    throw new UsageError(
      `${shippedClips.moving} is made, not cut out of videos: no --stride, --hop`,
    );
  }
  if (frames < 2 || (size && (size.width !== size.height || size.width < 8))) {
    throw new UsageError(
      `${shippedClips.moving} has squares of 8 pixels or more and 2 frames or more`,
    );
  }
  return await openMovingPictures(assetPath("data/samples/fashion"), {
    ...{ frames, fps, size: size?.width, channels, split, holdout, seed },
  });
}

/** Lines about a set: what it has, and what was left out of it and why. */
export function describeClips(set: ClipSet): string[] {
  const { name, length, frames, width, height, classNames } = set;
  const classes = classNames.length === 1 ? "1 class" : `${classNames.length} classes`;
  return [
    ...(set.report.length > 0 ? summarizeClips(name, set.report) : []),
    `${length} clip${length === 1 ? "" : "s"} of ${frames} x ${width} x ${height}, ${classes}`,
  ];
}

/** Most clips on a sheet. */
const mostRows = 24;

/** Draws clips of a set, spread evenly over it, as a contact sheet. */
export async function previewClips(set: ClipSet, path: string): Promise<void> {
  const count = Math.min(set.length, mostRows);
  const indices = Array.from({ length: count }, (_, row) => Math.floor(row * set.length / count));
  const clips = await Promise.all(indices.map((index) => set.decode(index)));
  const rates = new Set(clips.map(({ fps }) => Number(fps.toFixed(2))));
  const sheet = await clipSheet(clips, {
    title: basename(set.name),
    subtitle: `${count} of ${set.length} clips, ${set.width} x ${set.height}, ` +
      `${[...rates].slice(0, 4).join(", ")} fps`,
    names: indices.map((index) => set.clipName(index)),
  });
  await writeBytesAtomically(path, sheet);
}
