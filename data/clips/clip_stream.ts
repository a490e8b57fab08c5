/**
 * Clips one after the other: those of a set, or of an npz archive of any size.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { NpzFile } from "../../formats/tensors/npz.ts";
import type { Clip } from "../../formats/video/clip.ts";
import { evenIndices } from "../order/spread.ts";
import { archiveStream, type SampleStream } from "../sample_stream.ts";
import type { ClipSet } from "./clip_set.ts";

/** At most `most` clips of a set, at equal distances. */
export function clipStream(set: ClipSet, most: number): SampleStream<Clip> {
  const chosen = evenIndices(set.length, most);
  return {
    name: set.name,
    count: chosen.length,
    labels: chosen.map((index) => set.label(index)),
    classNames: set.classNames,
    async *samples() {
      for (const index of chosen) yield await set.decode(index);
    },
  };
}

/**
 * At most `most` clips of an archive, at equal distances: `arr_0` (clips, frames, height, width,
 * channels) of bytes, and `arr_1` of labels if it is there, as `sample walt --npz` writes them.
 *
 * @param fps frames a second, which archives do not say
 * @throws InputError when it holds no such clips
 */
export async function openClipArchive(
  path: string,
  most: number,
  fps: number,
): Promise<SampleStream<Clip>> {
  using file = await NpzFile.open(path);
  const { shape, type } = await file.info("arr_0");
  const [length, frames, height, width, channels] = shape;
  if (type !== "U8" || shape.length !== 5 || (channels !== 1 && channels !== 3)) {
    throw new InputError(
      `${path}: arr_0 is not (clips, frames, height, width, channels) of uint8 with 1 or 3 channels`,
    );
  }
  const size = { frames, height, width, channels, fps };
  const stream = archiveStream(path, length, most, (data): Clip => ({ ...size, data }));
  const labels = await readLabels(file, length);
  return { ...stream, labels: labels && evenIndices(length, most).map((index) => labels[index]) };
}

async function readLabels(file: NpzFile, length: number): Promise<number[] | undefined> {
  if (!file.names.includes("arr_1")) return undefined;
  const { shape } = await file.info("arr_1");
  if (shape.length === 1 && shape[0] === length) {
    return Array.from((await file.read("arr_1")).data, Number);
  }
  throw new InputError(`${file.path}: arr_1 (${shape}) is not ${length} labels`);
}
