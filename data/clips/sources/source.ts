/**
 * Where the frames of a clip are, and what every kind of source can do.
 *
 * @module
 */
import type { PictureSize } from "../../packing/patch_grid.ts";
import type { Picture } from "../../pictures/picture.ts";

/**
 * Where the frames of a clip are. Plain data, which is sent to workers:
 *
 * - `frames`: a folder of numbered pictures;
 * - `animation`: an animated picture that sharp reads (WebP, GIF);
 * - `mp4`: a file of the tool's own, or one like it (see `formats/video/mp4_reader.ts`);
 * - `video`: anything that `ffmpeg` reads and that stores the times of its frames;
 * - `stream`: anything else that `ffmpeg` reads.
 */
export interface ClipSource {
  readonly kind: "frames" | "animation" | "mp4" | "video" | "stream";
  /** The file, or the folder of frames. */
  readonly path: string;
  /** Names of the pictures in the folder, in order. */
  readonly names?: readonly string[];
}

/** What is known of a source without decoding it. */
export interface ClipHead extends PictureSize {
  /**
   * When each frame begins and the last one ends, in seconds: one more than there are frames.
   * Undefined where a source says nothing of time (a folder of pictures).
   */
  readonly starts?: Float64Array;
  /** How many frames there are. */
  readonly frames: number;
}

/** A frame that is wanted of a source. */
export interface FramePlace {
  /** Its number, from 0. */
  readonly index: number;
  /** When it begins, in seconds. */
  readonly start: number;
  /** Of a folder of pictures: the picture. */
  readonly name?: string;
}

/** What a kind of source can do. */
export interface SourceKind {
  /**
   * Reads what is known without decoding.
   *
   * @throws {InputError} when it cannot be read
   */
  head(source: ClipSource): Promise<ClipHead>;
  /**
   * Decodes frames one after the other, in sRGB with 3 channels; never more than a few are in memory.
   *
   * @param places in ascending order, each once
   * @throws {InputError} when one cannot be decoded
   */
  frames(source: ClipSource, places: readonly FramePlace[]): AsyncIterable<Picture>;
}
