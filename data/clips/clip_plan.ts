/**
 * What is to become of the files that were found: which frames of each make clips, or why none.
 *
 * @module
 */
import { forEachIndex } from "../../base/concurrency.ts";
import { InputError } from "../../base/errors.ts";
import type { PictureSize } from "../packing/patch_grid.ts";
import type { OpeningWatch } from "../sources/scan.ts";
import type { ClipReport, KeptFrames } from "./clip_report.ts";
import type { FoundClip, FoundClips } from "./find_clips.ts";
import { missingFrames } from "./sources/frame_folder.ts";
import { readHead } from "./sources/kinds.ts";
import type { ClipSource } from "./sources/source.ts";
import { planWindows, type Window, type WindowOptions } from "./windows.ts";

/** How many files are looked into at once: each may be a process of ffmpeg. */
const concurrency = 8;

/** A clip of a set: frames of a file. */
export interface PlannedClip {
  readonly file: FoundClip;
  /** Who reads it. */
  readonly source: ClipSource;
  /** What its frames have before they are brought to the size of the set. */
  readonly size: PictureSize;
  readonly window: Window;
}

/** What a clip is called in its set. */
export const clipNameOf = ({ file, window: { places } }: PlannedClip): string =>
  `${file.name} ${places[0].index}-${places.at(-1)!.index}`;

/** The file that a clip is called after. */
export const fileOfClip = (name: string): string => name.replace(/ \d+-\d+$/, "");

/** What became of a file, and its clips. */
export interface PlannedFile {
  readonly file: FoundClip;
  readonly report: ClipReport;
  readonly clips: readonly PlannedClip[];
}

/** Reads the heads of files and chooses their frames. */
export async function planFiles(
  files: readonly FoundClip[],
  options: WindowOptions,
  watch: OpeningWatch = () => {},
): Promise<PlannedFile[]> {
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
    const missing = file.source.names && missingFrames(file.source.names);
    const about = { name, frames, width, height, ...timing, ...(missing && { missing }) };
    if (problem) {
      return {
        file,
        report: { ...about, leftOut: { reason: problem, detail: detail! } },
        clips: [],
      };
    }
    const size = { width, height };
    const clips = windows.map((window) => {
      return { file, source, size, window: withNames(window, source) };
    });
    return { file, report: { ...about, kept: keptOf(clips, { still, damaged: 0 }) }, clips };
  } catch (error) {
    return { file, report: { name, leftOut: unreadable(file, error) }, clips: [] };
  }
}

/** The frames of a folder of pictures with their names, so that nobody needs the names of all. */
function withNames(window: Window, { names }: ClipSource): Window {
  if (!names) return window;
  return {
    ...window,
    places: window.places.map((place) => ({ ...place, name: names[place.index] })),
  };
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
export function reportOf(
  { classNames, leftOut }: FoundClips,
  files: readonly PlannedFile[],
  damage: ReadonlyMap<PlannedClip, InputError> = new Map(),
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
