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
import { copyPlanar } from "../pictures/picture.ts";
import { defaultWorkers, PicturePool } from "../pictures/pool.ts";
import { SkipReport } from "../pictures/skip_report.ts";
import type { Split } from "../sources/idx.ts";
import type { OpeningWatch } from "../sources/scan.ts";
import { readClipCaptions } from "./clip_captions.ts";
import { type ClipReport, type KeptFrames, summarizeClips } from "./clip_report.ts";
import { type ClipSet, clipSetOf } from "./clip_set.ts";
import type { ClipJob, CropMode } from "./decode_clip.ts";
import { findClips, type FoundClip, type FoundClips } from "./find_clips.ts";
import { readHead } from "./sources/kinds.ts";
import { planWindows, type Window, type WindowOptions } from "./windows.ts";

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

/** How many files are looked into at once: each may be a process of ffmpeg. */
const concurrency = 8;

/** A clip of a set: frames of a file. */
interface PlannedClip {
  readonly file: FoundClip;
  readonly source: ClipJob["source"];
  readonly size: PictureSize;
  readonly window: Window;
}

/** What became of a file, and its clips. */
interface PlannedFile {
  readonly file: FoundClip;
  readonly report: ClipReport;
  readonly clips: readonly PlannedClip[];
}

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
  const { split = "train", holdout, channels = 3, warn = console.warn } = options;
  checkChannels(channels);
  const found = await findClips(path, { ...options, split });
  if (split === "test" && holdout === undefined && !found.isPart) {
    throw new MissingPartError(`${path}: has no separate test part`);
  }
  const files = await planFiles(partOf(found, split, holdout), options);
  const planned = files.flatMap(({ clips }) => clips);
  requireClips(path, found, files);
  const size = options.size ?? commonSize(path, planned);
  const decoder = new ClipDecoder(path, planned, { ...options, ...size, channels });
  const damage = await decoder.decodeAhead(options.watch);
  const clips = planned.filter((clip) => !damage.has(clip));
  const report = reportOf(found, files, damage);
  requireClips(
    path,
    found,
    files.filter(({ clips }) => clips.some((clip) => !damage.has(clip))),
    report,
  );
  const captions = options.captions ? await readClipCaptions(found, warn) : undefined;
  const set = clipSetOf({
    name: path,
    length: clips.length,
    channels,
    frames: options.frames,
    ...size,
    classNames: found.classNames,
    fingerprint: await fingerprintOf(clips, options, size, captions),
    report,
    labels: clips.map(({ file }) => file.label),
    fps: (index) => clips[index].window.fps,
    clipName: (index) => nameOf(clips[index]),
    ...(captions && { caption: (index: number) => captions.get(clips[index].file.name)! }),
    bytes: (index) => decoder.bytes(clips, index),
    close: () => decoder.close(),
  });
  if (split === "train") describeEmptyClasses(set, "clip").forEach((line) => warn(line));
  return set;
}

/** The files of a part: windows of one file never are in both. */
function partOf(found: FoundClips, split: Split, holdout: number | undefined): FoundClip[] {
  const { clips, classNames, folder, isPart } = found;
  if (holdout === undefined || isPart) return [...clips];
  const parts = divide({
    name: folder,
    length: clips.length,
    classNames,
    label: (index) => clips[index].label,
    pictureName: (index) => clips[index].name,
  }, holdout);
  return parts[split].map((index) => clips[index]);
}

/** Reads the heads of files and chooses their frames. */
async function planFiles(
  files: readonly FoundClip[],
  options: OpenClipsOptions,
): Promise<PlannedFile[]> {
  const { watch = () => {} } = options;
  const planned: PlannedFile[] = new Array(files.length);
  let done = 0;
  watch("clips looked into", done, files.length);
  await forEachIndex(files.length, concurrency, async (index) => {
    planned[index] = await planFile(files[index], options);
    watch("clips looked into", ++done, files.length);
  });
  return planned;
}

async function planFile(file: FoundClip, options: WindowOptions): Promise<PlannedFile> {
  const { name } = file;
  try {
    const { source, head } = await readHead(file.source);
    const { windows, still, problem, detail, ...timing } = planWindows(head, options);
    const { frames, width, height } = head;
    const about = { name, frames, width, height, ...timing };
    if (problem) {
      return {
        file,
        report: { ...about, leftOut: { reason: problem, detail: detail! } },
        clips: [],
      };
    }
    const size = { width, height };
    const clips = windows.map((window) => ({ file, source, size, window }));
    return { file, report: { ...about, kept: keptOf(clips, { still, damaged: 0 }) }, clips };
  } catch (error) {
    return { file, report: { name, leftOut: unreadable(file, error) }, clips: [] };
  }
}

/** The report of a file that cannot be read. */
function unreadable({ source: { path } }: FoundClip, error: unknown) {
  if (!(error instanceof InputError)) throw error;
  return { reason: "unreadable", detail: error.message.replace(`${path}: `, "") } as const;
}

/** What is kept of a file. */
function keptOf(
  clips: readonly PlannedClip[],
  leftOut: Pick<KeptFrames, "still" | "damaged" | "damage">,
): KeptFrames {
  const [first, last] = [clips[0].window, clips.at(-1)!.window];
  return {
    first: first.places[0].index,
    last: last.places.at(-1)!.index,
    clips: clips.length,
    fps: first.fps,
    ...leftOut,
  };
}

/** What became of every file once all, or none, were decoded. */
function reportOf(
  { classNames, leftOut }: FoundClips,
  files: readonly PlannedFile[],
  damage: ReadonlyMap<PlannedClip, InputError>,
): ClipReport[] {
  const reports = files.map(({ file, report, clips }) => {
    const className = classNames[file.label];
    const whole = clips.filter((clip) => !damage.has(clip));
    if (whole.length === clips.length) return { ...report, className };
    const { kept, ...source } = report;
    const first = clips.find((clip) => damage.has(clip))!;
    const why = unreadable(file, damage.get(first));
    if (whole.length === 0) return { ...source, className, leftOut: why };
    const damaged = clips.length - whole.length;
    const left = { still: kept!.still, damaged, damage: why.detail };
    return { ...source, className, kept: keptOf(whole, left) };
  });
  return [...reports, ...leftOut.map(({ name, ...why }) => ({ name, leftOut: why }))];
}

/** @throws {InputError} that sums up why there is nothing */
function requireClips(
  path: string,
  found: FoundClips,
  files: readonly PlannedFile[],
  report: readonly ClipReport[] = reportOf(found, files, new Map()),
): void {
  if (files.some(({ clips }) => clips.length > 0)) return;
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

const nameOf = ({ file, window: { places } }: PlannedClip): string =>
  `${file.name} ${places[0].index}-${places.at(-1)!.index}`;

/**
 * Decodes clips in worker threads, and keeps them while there is room. One that turns out to be damaged
 * when it is read is replaced by the next one of its class, always the same.
 */
class ClipDecoder {
  readonly #planned: readonly PlannedClip[];
  readonly #how: Pick<ClipJob, "height" | "width" | "crop" | "channels">;
  readonly #kept = new Map<PlannedClip, Uint8Array>();
  readonly #damaged = new Map<PlannedClip, InputError>();
  readonly #skips: SkipReport;
  #budget: number;
  #pool: PicturePool | undefined;
  #isClosed = false;

  constructor(
    name: string,
    planned: readonly PlannedClip[],
    { height, width, crop = "center", channels, memoryBudget = 2 ** 31, warn = console.warn }:
      & OpenClipsOptions
      & PictureSize
      & { readonly channels: number },
  ) {
    this.#planned = planned;
    this.#how = { height, width, crop, channels };
    this.#budget = memoryBudget;
    this.#skips = new SkipReport(name, warn, "clips");
  }

  /** Decodes all clips where they fit into memory; returns what is wrong with the damaged ones. */
  async decodeAhead(watch: OpeningWatch = () => {}): Promise<ReadonlyMap<PlannedClip, InputError>> {
    const { length } = this.#planned;
    const needed = this.#planned.reduce((sum, clip) => sum + this.#lengthOf(clip), 0);
    if (needed > this.#budget) return new Map();
    let done = 0;
    watch("clips decoded", done, length);
    await forEachIndex(length, 4 * defaultWorkers(), async (index) => {
      await this.#decode(this.#planned[index]);
      watch("clips decoded", ++done, length);
    });
    this.#endWorkers();
    return this.#damaged;
  }

  /** The bytes of a clip, or of the next whole one of its class. */
  async bytes(clips: readonly PlannedClip[], wanted: number): Promise<Uint8Array> {
    const { label } = clips[wanted].file;
    for (let distance = 0; distance < clips.length; distance++) {
      const clip = clips[(wanted + distance) % clips.length];
      if (clip.file.label !== label) continue;
      const bytes = await this.#decode(clip);
      if (bytes) return bytes;
      this.#skips.add(nameOf(clip), this.#damaged.get(clip));
    }
    throw this.#damaged.get(clips[wanted])!;
  }

  /** Ends the workers for good. */
  close(): void {
    this.#isClosed = true;
    this.#endWorkers();
  }

  #endWorkers(): void {
    this.#pool?.close();
    this.#pool = undefined;
  }

  #lengthOf({ window: { places } }: PlannedClip): number {
    const { height, width, channels } = this.#how;
    return places.length * height * width * channels;
  }

  /** The bytes of a clip; undefined when it is damaged. */
  async #decode(clip: PlannedClip): Promise<Uint8Array | undefined> {
    const kept = this.#kept.get(clip);
    if (kept || this.#damaged.has(clip)) return kept;
    if (this.#isClosed) throw new Error("the set of clips is closed");
    const { source, window: { places } } = clip;
    this.#pool ??= new PicturePool(defaultWorkers());
    try {
      const frames = await this.#pool.clip({ ...this.#how, source, places });
      const bytes = new Uint8Array(frames.data.length);
      copyPlanar(frames, bytes, 0);
      this.#keep(clip, bytes);
      return bytes;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#damaged.set(clip, error);
      return undefined;
    }
  }

  /** Nothing is replaced: where every clip is seen once an epoch, it would be the next one needed. */
  #keep(clip: PlannedClip, bytes: Uint8Array): void {
    if (this.#kept.has(clip) || bytes.length > this.#budget) return;
    this.#budget -= bytes.length;
    this.#kept.set(clip, bytes);
  }
}

/** The SHA-256 of what clips are made of: names, lengths and frames of files, captions, and the size. */
async function fingerprintOf(
  clips: readonly PlannedClip[],
  { crop = "center", channels = 3 }: OpenClipsOptions,
  { height, width }: PictureSize,
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
