/**
 * From the frames of a source to a clip for training: decoded, cropped and resized one by one.
 *
 * @module
 */
import type { PictureSize } from "../packing/patch_grid.ts";
import { cropTo, padTo, type Picture, withChannels } from "../pictures/picture.ts";
import { mapFrames } from "./sources/kinds.ts";
import type { ClipSource, FramePlace } from "./sources/source.ts";

/** How frames are brought to a size: filled and cut to the middle, or whole on black. */
export type CropMode = "center" | "pad";

/** A clip that is wanted. */
export interface ClipJob extends PictureSize {
  readonly source: ClipSource;
  /** The frames in the order of the clip, never going back; a frame may be repeated. */
  readonly places: readonly FramePlace[];
  readonly crop: CropMode;
  /** 1 (grey) or 3 (red, green, blue). */
  readonly channels: number;
}

/**
 * Decodes a clip.
 *
 * @returns the frames below each other, as one picture: (frames x height, width, channels)
 * @throws {InputError} when a frame cannot be decoded
 */
export async function decodeClip(job: ClipJob): Promise<Picture> {
  const { source, places, height, width, channels } = job;
  const wanted = places.filter(({ index }, at) => index !== places[at - 1]?.index);
  const frames = await mapFrames(source, wanted, (frame) => fit(frame, job));
  const length = height * width * channels;
  const data = new Uint8Array(places.length * length);
  let next = -1;
  places.forEach(({ index }, at) => {
    if (index !== places[at - 1]?.index) next++;
    data.set(frames[next].data, at * length);
  });
  return { height: places.length * height, width, channels, data };
}

function fit(frame: Picture, { source, height, width, crop, channels }: ClipJob): Picture {
  const size = { height, width };
  const sized = crop === "pad" ? padTo(frame, size) : cropTo(frame, size, source.path);
  return withChannels(sized, channels);
}
