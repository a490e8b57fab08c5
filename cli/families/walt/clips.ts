/**
 * The clips that W.A.L.T's denoisers are trained on, in pixels.
 *
 * @module
 */
import type { ClipSet } from "../../../data/clips/clip_set.ts";
import type { WaltRun } from "../../../models/walt/settings.ts";
import type { ClipDataValues } from "../../flags/clip_data_flags.ts";
import { openClipData, shippedClips } from "../../runs/clip_data.ts";
import { assetPath } from "../../terminal/assets.ts";
import type { OpeningEvents } from "../training.ts";

/** The pictures that are made to move where no other data is given, and the side of their frames. */
export const shipped = { name: shippedClips.moving, folder: "data/samples/fashion" } as const;
const shippedSide = 16;

/** Whether clips are made of the shipped pictures. */
const isShipped = (place: string): boolean => place === assetPath(shipped.folder);

/** What is asked of clips besides the flags of all commands. */
interface PixelOptions {
  readonly channels: number | undefined;
  readonly seed: number;
}

/** Clips as flags ask for them. */
export async function openPixels(
  place: string,
  values: ClipDataValues,
  { channels, seed }: PixelOptions,
  events: OpeningEvents,
): Promise<ClipSet> {
  if (!isShipped(place)) return await openClipData(place, values, { channels, ...events });
  const size = values.size ?? { width: shippedSide, height: shippedSide };
  return await openClipData(shipped.name, { ...values, size }, { channels, seed });
}

/** The clips of an earlier run. */
export async function reopenPixels(
  place: string,
  { config, run, classNames }: Pick<WaltRun, "config" | "run" | "classNames">,
  events: OpeningEvents,
): Promise<ClipSet> {
  const { latentFrames: frames, latentSize: [height, width], latentChannels: channels } = config;
  const values = {
    ...{ fps: undefined, stride: undefined, hop: undefined, folderFps: undefined },
    ...{ crop: "center", previewData: undefined, ...run.cuts } as const,
    frames,
    size: { width, height },
  };
  return isShipped(place)
    ? await openClipData(shipped.name, values, { channels, seed: run.seed })
    : await openClipData(place, values, { channels, classNames, ...events });
}
