/**
 * Real pictures, opened when a comparison needs them.
 *
 * @module
 */
import { openPictureStream, type PictureStreamOptions } from "../../data/picture_stream.ts";
import type { Picture } from "../../data/pictures/picture.ts";
import { opened } from "../runs/prepare.ts";
import type { Io } from "../terminal/io.ts";
import type { ComparisonValues, RealSamples } from "./compare.ts";

/** The real pictures of a path, at most as many as the flags say. */
export const realPictures = (
  io: Io,
  { quiet, referenceCount: count }: ComparisonValues,
  path: string,
  options: Pick<PictureStreamOptions, "imageSize" | "split">,
): RealSamples<Picture> => ({
  path,
  open: () =>
    opened(io, quiet, (events) => openPictureStream(path, { ...options, count, ...events })),
});
