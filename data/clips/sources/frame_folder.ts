/**
 * Clips as folders of numbered pictures.
 *
 * @module
 */
import { join } from "@std/path";
import { decodePicture, readPictureSize } from "../../pictures/picture.ts";
import type { SourceKind } from "./source.ts";

/** Folders of numbered pictures. They say nothing of time. */
export const frameFolder: SourceKind = {
  async head({ path, names = [] }) {
    const first = join(path, names[0]);
    return { ...await readPictureSize(first, first), frames: names.length };
  },
  async *frames({ path }, places) {
    for (const { name } of places) {
      const file = join(path, name!);
      yield await decodePicture(file, file);
    }
  },
};
