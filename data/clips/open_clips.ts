/**
 * Opening whatever a path leads to as a set of clips.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { forEachIndex } from "../../base/concurrency.ts";
import { InputError, quote } from "../../base/errors.ts";
import { describeEmptyClasses } from "../empty_classes.ts";
import { divide } from "../holdout.ts";
import { checkChannels, MissingPartError } from "../open.ts";
import type { PictureSize } from "../packing/patch_grid.ts";
import type { Split } from "../sources/idx.ts";
import type { OpeningWatch } from "../sources/scan.ts";
import { readClipCaptions } from "./clip_captions.ts";
import { ClipDecoder } from "./clip_decoder.ts";
import { clipNameOf, planFiles, type PlannedClip, reportOf } from "./clip_plan.ts";
import { type ClipReport, summarizeClips } from "./clip_report.ts";
import { type ClipSet, clipSetOf } from "./clip_set.ts";
import type { ClipJob, CropMode } from "./decode_clip.ts";
import { findClips, type FoundClip, type FoundClips } from "./find_clips.ts";
import type { WindowOptions } from "./windows.ts";

/** How clips are opened. */
export interface OpenClipsOptions extends WindowOptions {
  /** Size of the frames; without it they must have one size already. */
  readonly size?: PictureSize;
  /** How frames are brought to that size: the middle of them, or all of them on black; "center" unless told. */
  readonly crop?: CropMode;
  /** 1 (grey) or 3 (colour); 3 unless told. */
  readonly channels?: number;
  /** Which part, where there are several; "train" unless told. */
  readonly split?: Split;
  /** The share of the files of every class that is the test part of a set that has none; see `holdOut`. */
  readonly holdout?: number;
  /** Whether clips have captions, see `clip_captions.ts`; false unless told. */
  readonly captions?: boolean;
  /** The classes that labels count in, such as those of a resumed run; the folder's unless told. */
  readonly classNames?: readonly string[];
  /**
   * Decoded clips are kept in memory as bytes up to this many; 2 GiB unless told. Where all fit they
   * are decoded when the set is opened, so that damaged ones are known before they are needed.
   */
  readonly memoryBudget?: number;
  /** Gets lines about what is damaged; standard error unless told. */
  readonly warn?: (line: string) => void;
  /** Hears how far opening is. */
  readonly watch?: OpeningWatch;
}

/** How many files are asked for their length at once. */
const concurrency = 8;

/**
 * Opens a file or a folder of clips, one sub-folder a class; see `find_clips.ts` for what is found, and
 * `windows.ts` for which frames are taken.
 *
 * Nothing is left out silently: `report` of the set has every file, `summarizeClips` says it shortly.
 *
 * @example
 * ```ts
 * import { openClips } from "./open_clips.ts";
 *
 * const clips = await openClips("data/samples/motion", { frames: 9, fps: 4 });
 * const { width, height } = await clips.decode(0);
 * clips.close();
 * ```
 *
 * @throws {InputError} when the path leads to no clips, or each of them is left out, saying why
 */
export async function openClips(path: string, options: OpenClipsOptions): Promise<ClipSet> {
  const { split = "train", channels = 3, crop = "center", memoryBudget = 2 ** 31 } = options;
  const { warn = console.warn, watch } = options;
  checkChannels(channels);
  const found = await findClips(path, { ...options, split });
  const files = await planFiles(filesOf(path, found, split, options.holdout), options, watch);
  requireClips(path, reportOf(found, files));
  const planned = files.flatMap(({ clips }) => clips);
  const size = options.size ?? commonSize(path, planned);
  const decoder = new ClipDecoder(path, planned, { ...size, crop, channels, memoryBudget, warn });
  const damage = await decoder.decodeAhead(watch);
  const report = reportOf(found, files, damage);
  requireClips(path, report);
  const clips = planned.filter((clip) => !damage.has(clip));
  const captions = options.captions ? await readClipCaptions(found, warn) : undefined;
  const set = clipSetOf({
    name: path,
    length: clips.length,
    channels,
    frames: options.frames,
    ...size,
    classNames: found.classNames,
    fingerprint: await fingerprintOf(clips, { ...size, crop, channels }, captions),
    report,
    labels: clips.map(({ file }) => file.label),
    fps: (index) => clips[index].window.fps,
    clipName: (index) => clipNameOf(clips[index]),
    ...(captions && { caption: (index: number) => captions.get(clips[index].file.name)! }),
    bytes: (index) => decoder.bytes(clips, index),
    close: () => decoder.close(),
  });
  if (split === "train") describeEmptyClasses(set, "clip").forEach((line) => warn(line));
  return set;
}

/**
 * The files of a part: clips of one file never are in both.
 *
 * @throws {InputError} when a test part is asked for of a set that has none
 */
function filesOf(
  path: string,
  { clips, classNames, folder, isPart }: FoundClips,
  split: Split,
  holdout: number | undefined,
): readonly FoundClip[] {
  if (split === "test" && holdout === undefined && !isPart) {
    throw new MissingPartError(`${path}: has no separate test part`);
  }
  if (holdout === undefined || isPart) return clips;
  const parts = divide({
    name: folder,
    length: clips.length,
    classNames,
    label: (index) => clips[index].label,
    pictureName: (index) => clips[index].name,
  }, holdout);
  return parts[split].map((index) => clips[index]);
}

/** @throws {InputError} that sums up why there is nothing, when nothing is kept */
function requireClips(path: string, report: readonly ClipReport[]): void {
  if (report.some(({ kept }) => kept)) return;
  const [, ...reasons] = summarizeClips(path, report);
  const why = reasons.map((line) => line.replace(`${path}: left out: `, "")).join("; ");
  throw new InputError(`${path}: no clip can be used: ${why}`);
}

/** The one size of all clips. */
function commonSize(path: string, clips: readonly PlannedClip[]): PictureSize {
  const [{ size, file }] = clips;
  const other = clips.find(({ size: { width, height } }) =>
    width !== size.width || height !== size.height
  );
  if (!other) return size;
  const describe = ({ width, height }: PictureSize) => `${width} x ${height}`;
  throw new InputError(
    `${path}: clips of several sizes need one to be brought to (--size): ${quote(file.name)} is ` +
      `${describe(size)}, ${quote(other.file.name)} ${describe(other.size)}`,
  );
}

/** The SHA-256 of what clips are made of: names, lengths and frames of files, captions, and the size. */
async function fingerprintOf(
  clips: readonly PlannedClip[],
  { height, width, crop, channels }: PictureSize & Pick<ClipJob, "crop" | "channels">,
  captions: ReadonlyMap<string, string> | undefined,
): Promise<string> {
  const lengths = new Map<string, number>();
  const files = [...new Map(clips.map(({ file }) => [file.name, file])).values()];
  await forEachIndex(files.length, concurrency, async (index) => {
    const { name, source: { path, names } } = files[index];
    const parts = names?.map((part) => join(path, part)) ?? [path];
    const sizes = await Promise.all(parts.map((part) => Deno.stat(part)));
    lengths.set(name, sizes.reduce((sum, { size }) => sum + size, 0));
  });
  const hash = createHash("sha256").update(`clips ${[height, width, channels, crop]}`);
  for (const { file: { name, label }, window: { places, fps } } of clips) {
    const frames = places.map(({ index }) => index);
    hash.update(JSON.stringify([name, label, lengths.get(name), frames, fps, captions?.get(name)]));
  }
  return hash.digest("hex");
}
