/**
 * How the clips of a run are cut out of videos, as its checkpoints keep it.
 *
 * @module
 */
import { z } from "zod";

/** Choices besides the size of the clips; what is absent is as in the videos. */
export interface ClipCuts {
  /** Frames a second at which videos are looked at. */
  readonly fps?: number;
  /** Every n-th frame is taken. */
  readonly stride?: number;
  /** Frames from the beginning of a clip to that of the next one. */
  readonly hop?: number;
  /** Frames a second of folders of pictures. */
  readonly folderFps?: number;
  /** How frames get their size. */
  readonly crop: "center" | "pad";
}

const positive = z.int().min(1);
const rate = z.number().positive();

/** The JSON form of {@link ClipCuts}. */
export const clipCutsSchema: z.ZodType<ClipCuts> = z.strictObject({
  fps: rate.optional(),
  stride: positive.optional(),
  hop: positive.optional(),
  folderFps: rate.optional(),
  crop: z.enum(["center", "pad"]),
});
