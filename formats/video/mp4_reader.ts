/**
 * Reading MP4 files whose video is AV1 and whose every frame is a key frame, as the writer beside this
 * file makes them: times and sizes from their tables, frames as AVIF pictures.
 *
 * @module
 */
import { InputError, quote } from "../../base/errors.ts";
import { RangeFile } from "../files/range_file.ts";
import { avifOfFrame, type Colours } from "./av1_frame.ts";
import {
  type Box,
  boxesIn,
  findBox,
  innerBoxes,
  longestHeader,
  readBox,
  requireBox,
  viewOf,
} from "./boxes.ts";

/** The video is of another kind: it may be whole, but this reader is not for it. */
export class ForeignVideoError extends InputError {}

/** Longest table of contents that is read: that of a clip of a million frames takes a tenth. */
const longestContents = 1 << 28;

/** Most frames of a video: three days of it. */
export const mostFrames = 1 << 23;

/** What the table of contents tells of the video. */
interface Track {
  readonly width: number;
  readonly height: number;
  /** When each frame begins and the last one ends, in seconds. */
  readonly starts: Float64Array;
  readonly offsets: Float64Array;
  readonly lengths: Uint32Array;
  readonly configuration: Uint8Array;
  readonly colours?: Colours;
}

/** An MP4 file. Close it, or declare it with `using`. */
export class Mp4File implements Disposable {
  readonly #file: RangeFile;
  readonly #track: Track;

  private constructor(
    file: RangeFile,
    track: Track,
  ) {
    this.#file = file;
    this.#track = track;
  }

  /**
   * Opens a file and reads its table of contents.
   *
   * @throws {ForeignVideoError} when its frames are not all key frames of AV1
   * @throws {InputError} when it is no MP4 file, or damaged
   */
  static async open(path: string): Promise<Mp4File> {
    const file = await RangeFile.open(path);
    try {
      const contents = readContents(file);
      const [moov] = boxesIn(contents, 0, contents.length, path);
      return new Mp4File(file, readTrack(file, contents, moov));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Columns of a frame. */
  get width(): number {
    return this.#track.width;
  }

  /** Rows of a frame. */
  get height(): number {
    return this.#track.height;
  }

  /** When each frame begins and the last one ends, in seconds: one more than there are frames. */
  get starts(): Float64Array {
    return this.#track.starts;
  }

  /**
   * A frame as an AVIF file.
   *
   * @throws {RangeError} when there is no such frame
   * @throws {InputError} when the file ends before it
   */
  frame(index: number): Uint8Array {
    const { offsets, lengths, configuration, colours } = this.#track;
    if (!(index in offsets)) throw new RangeError(`no frame ${index}, there are ${offsets.length}`);
    const data = this.#file.read(offsets[index], lengths[index]);
    return avifOfFrame({ configuration, data }, this.#track, colours);
  }

  /** Closes the file. */
  close(): void {
    this.#file.close();
  }

  /** Closes the file at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** The box `moov` of a file, whole. */
function readContents(file: RangeFile): Uint8Array {
  if (!isMp4(file)) throw new InputError(`${file.path}: not an MP4 file`);
  for (let at = 0; at < file.size;) {
    const header = file.read(at, Math.min(longestHeader, file.size - at));
    const { type, start, end } = readBox(header, at, file.size, file.path);
    if (type === "moov" && end - start <= longestContents) return file.read(start, end - start);
    at = end;
  }
  throw new InputError(`${file.path}: no table of contents (moov): cut off, or not a video`);
}

function readTrack(file: RangeFile, contents: Uint8Array, moov: Box): Track {
  const { path } = file;
  const video = innerBoxes(contents, moov, path).find((box) =>
    box.type === "trak" && isVideo(contents, box, path)
  );
  if (!video) throw new InputError(`${path}: there is no video in it`);
  const media = requireBox(contents, video, "mdia", path);
  const table = requireBox(contents, media, "minf/stbl", path);
  const reader = new Tables(contents, table, path);
  const description = readDescription(contents, table, path);
  const lengths = reader.lengths(file.size);
  reader.requireKeyFrames(lengths.length);
  const timescale = readTimescale(contents, media, path);
  return {
    ...description,
    lengths,
    offsets: reader.offsets(lengths),
    starts: reader.starts(lengths.length, timescale),
  };
}

/** Ticks a second. */
function readTimescale(contents: Uint8Array, media: Box, where: string): number {
  const { body, end } = requireBox(contents, media, "mdhd", where);
  const at = body + (contents[body] === 1 ? 20 : 12);
  if (at + 4 > end) throw new InputError(`${where}: damaged: "mdhd" is cut off`);
  return viewOf(contents).getUint32(at);
}

function isVideo(contents: Uint8Array, track: Box, where: string): boolean {
  const handler = findBox(contents, track, "mdia/hdlr", where);
  if (!handler) return false;
  const type = String.fromCharCode(...contents.subarray(handler.body + 8, handler.body + 12));
  return type === "vide" || type === "pict";
}

/** Bytes of a visual sample entry before the boxes in it. */
const sampleEntryLength = 78;

function readDescription(
  contents: Uint8Array,
  table: Box,
  where: string,
): Pick<Track, "width" | "height" | "configuration" | "colours"> {
  const entry = requireBox(contents, table, "stsd", where);
  const [sample] = innerBoxes(contents, entry, where);
  if (sample?.type !== "av01") {
    throw new ForeignVideoError(`${where}: the video is ${quote(sample?.type ?? "")}, not AV1`);
  }
  const view = viewOf(contents);
  const inner = [...boxesIn(contents, sample.body + sampleEntryLength, sample.end, where)];
  const configuration = inner.find(({ type }) => type === "av1C");
  if (!configuration) throw new InputError(`${where}: damaged: AV1 without its configuration`);
  const colours = inner.find(({ type, body, end }) => type === "colr" && end - body >= 11);
  return {
    width: view.getUint16(sample.body + 24),
    height: view.getUint16(sample.body + 26),
    configuration: contents.slice(configuration.body, configuration.end),
    ...(colours && { colours: readColours(view, colours.body + 4) }),
  };
}

function readColours(view: DataView, at: number): Colours {
  const [primaries, transfer, matrix] = [0, 2, 4].map((offset) => view.getUint16(at + offset));
  return { primaries, transfer, matrix, isFullRange: view.getUint8(at + 6) >= 128 };
}

/** The tables of a track (ISO/IEC 14496-12, 8.6 and 8.7), whose lengths are never believed. */
class Tables {
  readonly #contents: Uint8Array;
  readonly #table: Box;
  readonly #where: string;
  readonly #view: DataView;

  constructor(contents: Uint8Array, table: Box, where: string) {
    this.#contents = contents;
    this.#table = table;
    this.#where = where;
    this.#view = viewOf(contents);
  }

  /** Bytes of each frame. */
  lengths(fileSize: number): Uint32Array {
    const { body, end } = this.#require("stsz");
    const [common, count] = [this.#number(body + 4), this.#number(body + 8)];
    const fits = common > 0 ? common * count <= fileSize : body + 12 + 4 * count <= end;
    if (!fits || count === 0 || count > mostFrames) {
      throw this.#damaged(`${count} frames, more than there is room for, or none`);
    }
    return Uint32Array.from(
      { length: count },
      (_, index) => common > 0 ? common : this.#number(body + 12 + 4 * index),
    );
  }

  /** @throws {ForeignVideoError} unless every frame is a key frame */
  requireKeyFrames(count: number): void {
    const sync = this.#find("stss");
    const isShifted = this.#find("ctts") !== undefined;
    if (isShifted || (sync && this.#number(sync.body + 4) !== count)) {
      throw new ForeignVideoError(`${this.#where}: not every frame is a key frame`);
    }
  }

  /** When each frame begins and the last one ends, in seconds. */
  starts(count: number, timescale: number): Float64Array {
    if (timescale === 0) throw this.#damaged("a second has no length");
    const starts = new Float64Array(count + 1);
    let filled = 0;
    for (const [frames, ticks] of this.#rows("stts", 2)) {
      for (let left = Math.min(frames, count - filled); left > 0; left--) {
        starts[filled + 1] = starts[filled++] + ticks / timescale;
      }
    }
    if (filled < count) throw this.#damaged(`times of ${filled} of ${count} frames`);
    return starts;
  }

  /** Where each frame lies in the file: frames stand in chunks, one after the other. */
  offsets(lengths: Uint32Array): Float64Array {
    const runs = this.#rows("stsc", 3);
    const offsets = new Float64Array(lengths.length);
    let [filled, number, inChunk] = [0, 0, 0];
    let run = runs.next().value;
    for (let offset of this.#chunks()) {
      for (number++; run && number >= run[0]; run = runs.next().value) inChunk = run[1];
      for (let left = inChunk; left > 0 && filled < lengths.length; left--) {
        offsets[filled] = offset;
        offset += lengths[filled++];
      }
      if (filled === lengths.length) return offsets;
    }
    throw this.#damaged(`places of ${filled} of ${lengths.length} frames`);
  }

  *#chunks(): Generator<number> {
    if (this.#find("stco")) { for (const [offset] of this.#rows("stco", 1)) yield offset; }
    else for (const [high, low] of this.#rows("co64", 2)) yield high * 2 ** 32 + low;
  }

  /** Rows of 32-bit numbers behind their count. */
  *#rows(type: string, columns: number): Generator<number[]> {
    const { body, end } = this.#require(type);
    const count = this.#number(body + 4);
    if (body + 8 + 4 * columns * count > end) throw this.#damaged(`${type} is too short`);
    for (let row = 0; row < count; row++) {
      const at = body + 8 + 4 * columns * row;
      yield Array.from({ length: columns }, (_, column) => this.#number(at + 4 * column));
    }
  }

  #number(at: number): number {
    if (at + 4 > this.#table.end) throw this.#damaged("a table is cut off");
    return this.#view.getUint32(at);
  }

  #find(type: string): Box | undefined {
    return findBox(this.#contents, this.#table, type, this.#where);
  }

  #require(type: string): Box {
    return requireBox(this.#contents, this.#table, type, this.#where);
  }

  #damaged(what: string): InputError {
    return new InputError(`${this.#where}: damaged: ${what}`);
  }
}

/**
 * The comment in an MP4 file, whatever video it has; undefined when there is none.
 *
 * @throws {InputError} when it is damaged
 */
export async function readMp4Comment(path: string): Promise<string | undefined> {
  using file = await RangeFile.open(path);
  if (!isMp4(file)) return undefined;
  const contents = readContents(file);
  const [moov] = boxesIn(contents, 0, contents.length, path);
  return readComment(contents, moov, path);
}

/** Whether a file begins as MP4 files do. */
const isMp4 = (file: RangeFile): boolean =>
  file.size >= 8 && new TextDecoder("latin1").decode(file.read(4, 4)) === "ftyp";

function readComment(contents: Uint8Array, moov: Box, where: string): string | undefined {
  const data = findBox(contents, moov, "udta/meta/ilst/\u00a9cmt/data", where);
  return data && new TextDecoder().decode(contents.subarray(data.body + 8, data.end));
}
