/**
 * Frames that clips begin with: a picture, or the first frames of a clip.
 *
 * @module
 */
import { InputError, quote } from "../../../../base/errors.ts";
import { scaleBytes } from "../../../../data/dataset.ts";
import {
  copyPlanar,
  cropTo,
  decodePicture,
  withChannels,
} from "../../../../data/pictures/picture.ts";
import type { ClipSize } from "../../../../models/codec.ts";
import { openClipData, shippedClips } from "../../../runs/clip_data.ts";

/**
 * A picture as a clip of one frame, (C, 1, H, W) in [-1, 1]: as large as fills the frame, cut to its middle.
 *
 * @throws InputError when there is none
 */
export async function readPicture(
  path: string,
  size: Omit<ClipSize, "frames">,
  channels: number,
): Promise<Float32Array> {
  const picture = withChannels(cropTo(await decodePicture(path, path), size, path), channels);
  const planes = new Uint8Array(picture.data.length);
  copyPlanar(picture, planes, 0);
  const values = new Float32Array(planes.length);
  scaleBytes(planes, values, 0);
  return values;
}

/**
 * The first frames of a clip, (C, frames, H, W) in [-1, 1], each filling the size.
 *
 * @param fps frames a second at which it is looked at; those of the clip when absent
 * @throws InputError when there is no clip of so many frames, or more than one file of clips
 */
export async function readFirstFrames(
  path: string,
  { frames, height, width }: ClipSize,
  channels: number,
  fps: number | undefined,
): Promise<Float32Array> {
  if (path === shippedClips.moving) {
    throw new InputError(`${path}: holds many clips; --frames-from takes the file of one`);
  }
  // Of a long video only the beginning is decoded.
  const cuts = { stride: undefined, hop: 2 ** 31, folderFps: undefined, previewData: undefined };
  const values = { ...cuts, frames, fps, size: { height, width }, crop: "center" } as const;
  const set = await openClipData(path, values, { channels });
  try {
    const [first, second] = set.report.filter(({ kept }) => kept);
    if (second) {
      throw new InputError(
        `${path}: holds several clips, such as ${quote(first.name)} and ${quote(second.name)}; ` +
          "give one of them",
      );
    }
    const clip = new Float32Array(channels * frames * height * width);
    await set.read([0], clip);
    return clip;
  } finally {
    set.close();
  }
}
