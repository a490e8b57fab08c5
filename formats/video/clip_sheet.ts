/**
 * Clips on one sheet: a row a clip, its frames with their numbers from left to right.
 *
 * @module
 */
import { pictureGrid } from "../pictures/picture_grid.ts";
import { type Clip, frameOf } from "./clip.ts";

/** What stands on a sheet besides the frames. */
export interface ClipSheetOptions {
  /** A line above everything. */
  readonly title?: string;
  /** A second, lighter line. */
  readonly subtitle?: string;
  /** One name a clip. */
  readonly names?: readonly string[];
  /** Most frames of a clip that are shown, spread evenly from the first to the last; 9 unless told. */
  readonly frames?: number;
  /** What the longer side of a frame should come near to, in pixels; 80 unless told. */
  readonly cellSize?: number;
}

/** The numbers of at most so many frames, from the first to the last. */
export function spreadFrames(frames: number, most: number): number[] {
  const count = Math.min(frames, most);
  if (count === 1) return [0];
  return Array.from(
    { length: count },
    (_, index) => Math.round(index * (frames - 1) / (count - 1)),
  );
}

/**
 * Draws clips as a PNG file.
 *
 * @param clips all of one size and number of frames
 * @throws {RangeError} when there are none, or they differ in size or number of frames
 */
export async function clipSheet(
  clips: readonly Clip[],
  { names, frames: most = 9, cellSize = 80, ...headings }: ClipSheetOptions = {},
): Promise<Uint8Array> {
  const [first] = clips;
  if (!first) throw new RangeError("a sheet needs a clip");
  if (clips.some(({ frames }) => frames !== first.frames)) {
    throw new RangeError("clips of one sheet have the same number of frames");
  }
  const shown = spreadFrames(first.frames, most);
  const pictures = clips.flatMap((clip) => shown.map((index) => frameOf(clip, index)));
  return await pictureGrid(pictures, {
    ...headings,
    columns: shown.length,
    columnLabels: shown.map(String),
    rowLabels: names,
    cellSize,
  });
}
