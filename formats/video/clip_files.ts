/**
 * Clips as files, with the parameters they were made with inside.
 *
 * @module
 */
import { join } from "@std/path";
import { writeBytesAtomically, writeFolderAtomically } from "../files/atomic_file.ts";
import { encodePng } from "../pictures/bitmap.ts";
import { setPngMetadata } from "../pictures/png.ts";
import { encodeWebp } from "./animated_webp.ts";
import { type Clip, framesOf } from "./clip.ts";
import { encodeMp4 } from "./mp4_writer.ts";

/** How a clip is stored: as a video, as an animated picture, or as a folder of pictures. */
export const clipFormats = ["mp4", "webp", "png"] as const;

/** One of {@link clipFormats}. */
export type ClipFormat = typeof clipFormats[number];

/** What goes into a file besides the frames. */
export interface ClipFileOptions {
  /** A value that the file carries as JSON; `tessera info` prints it. */
  readonly parameters?: unknown;
  /** 1 to 100; 90 for MP4 and every pixel as it is for WebP unless told. */
  readonly quality?: number;
}

/**
 * Writes a clip, all or nothing.
 *
 * @param path without an ending; its folder must exist. Pictures get a folder of that name
 * @returns the path of the file or folder
 * @throws {InputError} when an MP4 would have odd sides
 */
export async function writeClip(
  path: string,
  format: ClipFormat,
  clip: Clip,
  { parameters, quality }: ClipFileOptions = {},
): Promise<string> {
  if (format === "png") {
    await writeFolderAtomically(path, (folder) => writeFrames(folder, clip, parameters));
    return path;
  }
  const comment = parameters === undefined ? undefined : JSON.stringify(parameters);
  const encode = { mp4: encodeMp4, webp: encodeWebp }[format];
  const file = `${path}.${format}`;
  await writeBytesAtomically(file, await encode(clip, { quality, comment }));
  return file;
}

/** Name of a picture of a clip, counted from 1. */
const frameName = (number: number, digits = 4): string =>
  `frame-${String(number).padStart(digits, "0")}.png`;

/** Path of the first picture of a clip that is a folder of them, of up to 9,999. */
export const firstFrame = (folder: string): string => join(folder, frameName(1));

/** Numbered pictures, `frame-0001.png`, in the order of their names. */
async function writeFrames(folder: string, clip: Clip, parameters: unknown): Promise<void> {
  const digits = Math.max(4, String(clip.frames).length);
  for (const [index, frame] of framesOf(clip).entries()) {
    const name = frameName(index + 1, digits);
    const png = await encodePng(frame);
    const file = parameters === undefined ? png : setPngMetadata(png, parameters);
    await writeBytesAtomically(join(folder, name), file);
  }
}
