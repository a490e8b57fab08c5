/**
 * Flags of commands that read clips: which frames of a video are taken, and how they are brought to
 * one size.
 *
 * @module
 */
import { UsageError } from "../terminal/errors.ts";
import { alias, flag, group, optional, type Values } from "./flags.ts";
import { choice, integer, number, type Parser, pngFile } from "./parsers.ts";

/** A side, or width x height, in pixels. */
export const frameSize: Parser<{ readonly width: number; readonly height: number }> = (
  value,
  name,
) => {
  const [, width, height] = /^(\d+)(?:x(\d+))?$/.exec(value) ?? [];
  if (width === undefined) {
    throw new UsageError(`${name} ${JSON.stringify(value)} is not a side, 32, nor a size, 64x48`);
  }
  const side = integer({ min: 1, max: 4096 });
  return { width: side(width, name), height: side(height ?? width, name) };
};

/** How clips are cut out of videos. */
export const clipDataFlags = group("Clips:", {
  frames: flag("--frames <n>", "frames of a clip", integer({ min: 1, max: 4096 }), 17),
  fps: optional(
    "--fps <rate>",
    "frames a second at which videos are looked at; their speed stays",
    number({ above: 0, max: 1000 }),
    "that of each video",
  ),
  stride: optional(
    "--stride <n>",
    "take every n-th frame, instead of --fps",
    integer({ min: 1, max: 4096 }),
    "1",
  ),
  hop: optional(
    "--hop <frames>",
    "frames from the beginning of a clip to that of the next one of the same video",
    integer({ min: 1, max: 1_000_000 }),
    "--frames",
  ),
  folderFps: optional(
    "--folder-fps <rate>",
    "frames a second of folders of pictures, which say nothing of it",
    number({ above: 0, max: 1000 }),
    "--fps, or 24",
  ),
  size: alias(
    optional("--size <side|WxH>", "size of the frames, in pixels", frameSize, "that of the videos"),
    "--image-size",
  ),
  crop: flag(
    "--crop <center|pad>",
    "how frames get that size: their middle, or all of them on black",
    choice("center", "pad"),
    "center",
  ),
  previewData: optional(
    "--preview-data <file>",
    "draw the clips as a contact sheet, .png",
    pngFile,
  ),
});

/** Values of {@link clipDataFlags}. */
export type ClipDataValues = Values<typeof clipDataFlags>;

/** Where clips are, for commands whose data can only be clips. */
export const clipPathHelp =
  "a video, or a folder of videos, animated pictures or folders of frames, one sub-folder a class; " +
  "shipped:motion or shipped:moving-fashion";

/**
 * Refuses flags that contradict each other.
 *
 * @throws {UsageError}
 */
export function checkClipFlags({ fps, stride }: ClipDataValues): void {
  if (fps === undefined || stride === undefined) return;
  throw new UsageError("--fps and --stride both say which frames are taken; give one of them");
}
