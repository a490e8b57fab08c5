/**
 * What a set of labelled clips is to the rest of the program.
 *
 * @module
 */
import type { Clip } from "../../formats/video/clip.ts";
import { checkRead, type ImageDataset, pictureLength, scaleBytes } from "../dataset.ts";
import { fromPlanar } from "../pictures/picture.ts";
import type { ClipReport } from "./clip_report.ts";

/**
 * Labelled clips of one size and number of frames, addressed by index: a data set whose samples have
 * (channels, frames, height, width) values. `createLoader` makes batches of it.
 */
export interface ClipSet extends ImageDataset {
  /** Frames of every clip. */
  readonly frames: number;
  /** What became of every file that was found. */
  readonly report: readonly ClipReport[];
  /** Frames a second of a clip. */
  fps(index: number): number;
  /** What a clip is called: unique in its set, the same whenever it is opened. */
  clipName(index: number): string;
  /** A clip's caption; only in sets that were opened with captions. */
  caption?(index: number): string;
  /**
   * The pixels of a clip.
   *
   * @throws {InputError} when its file turns out to be damaged, and every other of its class
   */
  decode(index: number): Promise<Clip>;
  /** Ends the workers that decode, if there are some. Reading is over then. */
  close(): void;
}

/** What a set of clips has whatever they come from. */
export type ClipSetFacts = Omit<ClipSet, "read" | "decode" | "label" | "close"> & {
  /** Classes of the clips. */
  readonly labels: ArrayLike<number>;
  /** The bytes of a clip, (channels, frames, height, width). */
  bytes(index: number): Promise<Uint8Array>;
  close?(): void;
};

/** Makes a set of clips that hands out bytes. */
export function clipSetOf({ labels, bytes, close, ...facts }: ClipSetFacts): ClipSet {
  const { channels, frames, height, width } = facts;
  const set: ClipSet = {
    ...facts,
    label: (index) => labels[index],
    async read(indices, out) {
      checkRead(set, indices, out);
      const length = pictureLength(set);
      const read = async (index: number, position: number) =>
        scaleBytes(await bytes(index), out, position * length);
      await Promise.all(Array.from(indices, read));
    },
    async decode(index) {
      const { data } = fromPlanar(await bytes(index), channels, frames * height, width);
      return { frames, height, width, channels, data, fps: facts.fps(index) };
    },
    close: () => close?.(),
  };
  return set;
}
