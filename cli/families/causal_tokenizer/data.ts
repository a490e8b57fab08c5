/**
 * The clips and pictures of tokenizers, as commands open them.
 *
 * @module
 */
import type { ImageDataset } from "../../../data/dataset.ts";
import { openDataset } from "../../../data/open.ts";
import type { TokenizerData } from "../../../models/causal_tokenizer/data.ts";
import type { ClipDataValues } from "../../flags/clip_data_flags.ts";
import { type ClipDataOptions, openClipData, shippedClips } from "../../runs/clip_data.ts";
import { assetPath } from "../../terminal/assets.ts";
import { UsageError } from "../../terminal/errors.ts";

/** The animations that come with the tool, which tokenizers are trained on unless told. */
export const shippedMotion = { name: "shipped:motion", folder: "data/samples/motion" } as const;

/** Side of pictures where the flags give none. */
const usualSide = 32;

/** Whether a place has clips whatever the number of frames: those that come with the tool. */
export const isShippedClips = (place: string): boolean =>
  place === assetPath(shippedMotion.folder) || place === shippedClips.moving;

/** Which samples are wanted. */
export interface TokenizerDataOptions extends ClipDataOptions {
  /** Whether the place is that of animations and videos, also where one frame of each is taken. */
  readonly isClips: boolean;
}

/**
 * Opens clips, or for clips of one frame pictures: a folder of pictures or whatever else
 * `openDataset` knows. All have three channels.
 *
 * @throws UsageError for flags that pictures have nothing for
 * @throws InputError when there is nothing at the place
 */
export async function openTokenizerData(
  place: string,
  values: ClipDataValues,
  { isClips, ...options }: TokenizerDataOptions,
): Promise<TokenizerData> {
  const channels = 3;
  if (values.frames > 1 || isClips) {
    return await openClipData(place, values, { ...options, channels });
  }
  return await openPictures(place, values, { ...options, channels });
}

async function openPictures(
  place: string,
  { fps, stride, hop, folderFps, crop, size }: ClipDataValues,
  options: ClipDataOptions,
): Promise<ImageDataset> {
  if ([fps, stride, hop, folderFps].some((value) => value !== undefined) || crop !== "center") {
    throw new UsageError(
      "--fps, --stride, --hop, --folder-fps and --crop are for clips; --frames 1 takes pictures",
    );
  }
  const { width, height } = size ?? { width: usualSide, height: usualSide };
  if (width !== height) {
    throw new UsageError("--size: pictures are cropped to squares; give a side");
  }
  return await openDataset(place, { ...options, imageSize: width });
}
