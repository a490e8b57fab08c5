/**
 * Clips as folders of numbered pictures.
 *
 * @module
 */
import { join } from "@std/path";
import { InputError, quote } from "../../../base/errors.ts";
import { decodePicture, readPictureSize } from "../../pictures/picture.ts";
import type { SourceKind } from "./source.ts";

/** The number at the end of a frame's name; undefined where there is none. */
export function frameNumber(name: string): number | undefined {
  const [, number] = /(\d+)\.[^.]+$/.exec(name) ?? [];
  return number === undefined ? undefined : Number(number);
}

/** The frames that a folder of pictures lacks. */
export interface MissingFrames {
  /** How many there are. */
  readonly count: number;
  /** The number of the first. */
  readonly first: number;
}

/**
 * The frames that are missing between those there are, whose numbers go up by their smallest difference;
 * undefined where none are.
 *
 * @param names of frames, in the order of their numbers
 */
export function missingFrames(names: readonly string[]): MissingFrames | undefined {
  const numbers = names.map((name) => frameNumber(name)!);
  const differences = numbers.slice(1).map((number, index) => number - numbers[index]);
  const step = Math.max(1, differences.reduce((least, each) => Math.min(least, each), Infinity));
  // Times in place of numbers are not quite even.
  const lacking = differences.map((difference) => Math.max(0, Math.round(difference / step) - 1));
  const gap = lacking.findIndex((count) => count > 0);
  if (gap < 0) return undefined;
  return {
    count: lacking.reduce((sum, count) => sum + count, 0),
    first: numbers[gap] + step,
  };
}

/** Refuses pictures with one number, such as `1.png` and `01.png`: nobody knows which comes first. */
function requireOrder(path: string, names: readonly string[]): void {
  const digits = names.map((name) => /0*(\d+)\.[^.]+$/.exec(name)![1]);
  const second = digits.findIndex((each, index) => index > 0 && each === digits[index - 1]);
  if (second < 0) return;
  const pair = [names[second - 1], names[second]].map(quote).join(" and ");
  throw new InputError(`${path}: ${pair} have one number`);
}

/** Folders of numbered pictures. They say nothing of time. */
export const frameFolder: SourceKind = {
  async head({ path, names = [] }) {
    requireOrder(path, names);
    const first = join(path, names[0]);
    return { ...await readPictureSize(first, first), frames: names.length };
  },
  async *frames({ path }, places) {
    let sides: string | undefined;
    for (const { name } of places) {
      const file = join(path, name!);
      const frame = await decodePicture(file, file);
      const found = `${frame.width} x ${frame.height}`;
      sides ??= found;
      if (found !== sides) {
        throw new InputError(`${file}: is ${found}, the frames before it are ${sides}`);
      }
      yield frame;
    }
  },
};
