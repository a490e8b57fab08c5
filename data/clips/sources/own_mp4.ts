/**
 * MP4 files of AV1 key frames, as the tool writes them.
 *
 * @module
 */
import { Mp4File } from "../../../formats/video/mp4_reader.ts";
import { decodePicture } from "../../pictures/picture.ts";
import type { SourceKind } from "./source.ts";

/** The tool's own MP4 files. Others are a `ForeignVideoError` of the head. */
export const ownMp4: SourceKind = {
  async head({ path }) {
    using file = await Mp4File.open(path);
    const { width, height, starts } = file;
    return { width, height, starts, frames: starts.length - 1 };
  },
  async *frames({ path }, places) {
    using file = await Mp4File.open(path);
    for (const { index } of places) {
      yield await decodePicture(file.frame(index), `${path}: frame ${index}`);
    }
  },
};
