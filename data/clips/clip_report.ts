/**
 * What became of every clip: which frames of it are trained on, or why none.
 *
 * @module
 */
import { oneLine } from "../../base/control_characters.ts";
import type { LeftOutReason } from "./find_clips.ts";
import type { MissingFrames } from "./sources/frame_folder.ts";
import { countFrames, formatFps, formatSeconds, type WindowProblem } from "./windows.ts";

/** What became of one file, or folder of frames. */
export interface ClipReport {
  /** Its path in the folder of the set. */
  readonly name: string;
  /** Its class; absent for what is in none. */
  readonly className?: string;
  /** How many frames it has; absent where its head cannot be read. */
  readonly frames?: number;
  /** Columns of a frame. */
  readonly width?: number;
  /** Rows of a frame. */
  readonly height?: number;
  /** Frames a second of the source. */
  readonly fps?: number;
  /** Whether that is an assumption, as for folders of pictures. */
  readonly isAssumed?: boolean;
  /** Frames that a folder of pictures lacks between those it has; absent where it is whole. */
  readonly missing?: MissingFrames;
  /** Whether all frames are shown for about as long. */
  readonly isEven?: boolean;
  /** Seconds of the source. */
  readonly duration?: number;
  /** What is trained on. */
  readonly kept?: KeptFrames;
  /** Why nothing is. */
  readonly leftOut?: { readonly reason: ClipProblem; readonly detail: string };
}

/** Why nothing of a clip is trained on. */
export type ClipProblem = WindowProblem | LeftOutReason | "unreadable";

/** The part of a source that is trained on. */
export interface KeptFrames {
  /** Number of the first frame. */
  readonly first: number;
  /** Number of the last frame. */
  readonly last: number;
  /** How many clips that makes. */
  readonly clips: number;
  /** Frames a second of those clips. */
  readonly fps: number;
  /** How many clips are left out in which one frame is shown all the time. */
  readonly still: number;
  /** How many clips are left out because they cannot be decoded. */
  readonly damaged: number;
  /** What is wrong with the first of them. */
  readonly damage?: string;
}

/** One file on one line. */
export function describeClip(report: ClipReport): string {
  const { name, kept, leftOut } = report;
  const source = describeSource(report);
  if (leftOut) return oneLine(`${name}: ${source}left out: ${leftOut.reason}: ${leftOut.detail}`);
  const { first, last, clips, fps, still, damaged, damage } = kept!;
  return oneLine([
    `${name}: ${source}frames ${first} to ${last}, ${countClips(clips)} at ${formatFps(fps)}`,
    ...(still > 0 ? [`${still} more left out: nothing moves`] : []),
    ...(damaged > 0 ? [`${damaged} more left out: unreadable: ${damage}`] : []),
  ].join("; "));
}

const countClips = (clips: number): string => `${clips} clip${clips === 1 ? "" : "s"}`;

/** What the source is, where its head could be read. */
function describeSource({ frames, width, height, fps, ...report }: ClipReport): string {
  if (frames === undefined) return "";
  const size = `${width} x ${height}, ${countFrames(frames)}`;
  if (report.isAssumed) {
    const { missing } = report;
    const gaps = missing ? `, ${missing.count} missing, the first number ${missing.first}` : "";
    return `${size}${gaps} without times, taken as ${formatFps(fps!)}; `;
  }
  const rate = report.isEven ? formatFps(fps!) : `about ${formatFps(fps!)} (uneven)`;
  return `${size}, ${rate}, ${formatSeconds(report.duration!)}; `;
}

/** How many names stand for those left out for one reason. */
const shownNames = 3;

/**
 * The report on a few lines: what is there, at which rates, and what is left out, summed up by reason.
 *
 * @param name the data set
 */
export function summarizeClips(name: string, reports: readonly ClipReport[]): string[] {
  const used = reports.filter(({ kept }) => kept);
  const clips = used.reduce((sum, { kept }) => sum + kept!.clips, 0);
  const files = `${reports.length} file${reports.length === 1 ? "" : "s"}`;
  const rates = countBy(
    used,
    ({ fps, isAssumed, kept }) =>
      `${isAssumed ? "pictures taken as " : ""}${formatFps(fps!)} at ${formatFps(kept!.fps)}`,
  );
  const byReason = Map.groupBy(
    reports.filter(({ leftOut }) => leftOut),
    ({ leftOut }) => leftOut!.reason,
  );
  const lines = [
    `${name}: ${countClips(clips)} of ${used.length} of ${files}${rates ? `: ${rates}` : ""}`,
    ...[...byReason].map(([reason, reports]) => {
      const details = reports.map(({ name, leftOut }) => `${name} (${leftOut!.detail})`);
      return `${name}: left out: ${reports.length} ${reason}: ${someOf(details)}`;
    }),
    ...summarizeParts(name, used),
    ...summarizeGaps(name, used),
  ];
  return lines.map(oneLine);
}

/** A line about folders in which numbers of frames are missing. */
function summarizeGaps(name: string, used: readonly ClipReport[]): string[] {
  const some = used.filter(({ missing }) => missing);
  if (some.length === 0) return [];
  const details = some.map(({ name, missing }) =>
    `${name} (${missing!.count}, the first number ${missing!.first})`
  );
  return [
    `${name}: frames are missing in ${some.length} folder${some.length === 1 ? "" : "s"}: ` +
    someOf(details),
  ];
}

/** Lines about clips that are left out of files of which others are kept. */
function summarizeParts(name: string, used: readonly ClipReport[]): string[] {
  const parts = [
    { what: "in which nothing moves", count: "still" },
    { what: "that cannot be decoded", count: "damaged" },
  ] as const;
  return parts.flatMap(({ what, count }) => {
    const some = used.filter(({ kept }) => kept![count] > 0);
    if (some.length === 0) return [];
    const clips = some.reduce((sum, { kept }) => sum + kept![count], 0);
    const details = some.map(({ name, kept }) => `${name} (${kept![count]})`);
    return [`${name}: left out: ${countClips(clips)} ${what}: ${someOf(details)}`];
  });
}

/** The first few of some texts, and how many there are beside them. */
function someOf(texts: readonly string[]): string {
  const more = texts.length - shownNames;
  return texts.slice(0, shownNames).join(", ") + (more > 0 ? `, and ${more} more` : "");
}

/** How many there are of each kind, most first, as `40 files of 24 fps at 8 fps`. */
function countBy(
  reports: readonly ClipReport[],
  kindOf: (report: ClipReport) => string,
): string {
  const kinds = [...Map.groupBy(reports, kindOf)].sort(([, a], [, b]) => b.length - a.length);
  const shown = kinds.slice(0, shownNames).map(([kind, { length }]) => `${length} of ${kind}`);
  return [
    ...shown,
    ...kinds.length > shownNames ? [`${kinds.length - shownNames} other rates`] : [],
  ]
    .join(", ");
}
