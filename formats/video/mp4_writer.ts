/**
 * MP4 files that play everywhere: AV1 video whose frames all are key frames, encoded by sharp (as AVIF
 * pictures) and put into their boxes by mp4-muxer.
 *
 * @module
 */
import type { ArrayBufferTarget, Muxer } from "mp4-muxer";
import { concatenateBytes } from "../../base/bytes.ts";
import { InputError } from "../../base/errors.ts";
import { type Bitmap, loadSharp } from "../pictures/bitmap.ts";
import { type Av1Frame, frameOfAvif } from "./av1_frame.ts";
import {
  ascii,
  type Box,
  boxesIn,
  innerBoxes,
  makeBox,
  makeFullBox,
  requireBox,
  u32,
  u8,
  viewOf,
} from "./boxes.ts";
import { type Clip, framesOf, requireRate } from "./clip.ts";

/** How a clip becomes an MP4 file. */
export interface Mp4Options {
  /** 1 (small) to 100 (hardly any loss); 90 unless told. */
  readonly quality?: number;
  /** A text that the file carries as its comment, such as parameters as JSON. */
  readonly comment?: string;
}

/** How sharp stores colours in AVIF: sRGB with the matrix of BT.601, from 0 to 255. */
const colorSpace = {
  primaries: "bt709",
  transfer: "iec61966-2-1",
  matrix: "smpte170m",
  fullRange: true,
} as const;

/** AV1, main profile, level unknown, 8 bits: what browsers ask for before they try. */
const codec = "av01.0.00M.08";

/**
 * Refuses sizes that an MP4 file cannot have: colours are stored for two by two pixels.
 *
 * @throws {InputError} with the nearest sizes
 */
export function requireEvenSize({ height, width }: Pick<Clip, "height" | "width">): void {
  if (height % 2 === 0 && width % 2 === 0) return;
  const even = (side: number, to: -1 | 1) => side + to * (side % 2);
  throw new InputError(
    `an MP4 has even sides, the clip is ${width} x ${height}; the nearest are ` +
      `${even(width, -1)} x ${even(height, -1)} and ${even(width, 1)} x ${even(height, 1)}`,
  );
}

/** Longest time of a frame in seconds: 32 bits of ticks, of which the muxer has 57,600 a second. */
const longestFrame = 2 ** 16;

/**
 * A clip as an MP4 file, the same bytes whenever it is made.
 *
 * @throws {InputError} when a side is odd, or a frame is shown for longer than a day
 */
export async function encodeMp4(
  clip: Clip,
  { quality = 90, comment }: Mp4Options = {},
): Promise<Uint8Array<ArrayBuffer>> {
  requireEvenSize(clip);
  requireRate("an MP4", longestFrame, clip);
  const { ArrayBufferTarget, Muxer } = await import("mp4-muxer");
  const { width, height, fps } = clip;
  const target = new ArrayBufferTarget();
  const muxer = new Muxer({
    target,
    video: { codec: "av1", width, height },
    fastStart: "in-memory",
  });
  let index = 0;
  for (const frame of framesOf(clip)) {
    addFrame(muxer, await encodeFrame(frame, quality), index++, clip, 1e6 / fps);
  }
  muxer.finalize();
  return finish(new Uint8Array(target.buffer), comment);
}

async function encodeFrame(
  { height, width, channels, data }: Bitmap,
  quality: number,
): Promise<Av1Frame> {
  const sharp = await loadSharp();
  const avif = await sharp(data, { raw: { height, width, channels: channels as 1 | 3 } })
    .toColourspace("srgb")
    .avif({ quality, chromaSubsampling: "4:2:0" })
    .toBuffer();
  return frameOfAvif(avif);
}

/** @param duration microseconds a frame */
function addFrame(
  muxer: Muxer<ArrayBufferTarget>,
  { configuration, data }: Av1Frame,
  index: number,
  { width, height }: Clip,
  duration: number,
): void {
  const decoderConfig = {
    codec,
    codedWidth: width,
    codedHeight: height,
    description: configuration,
    colorSpace,
  };
  muxer.addVideoChunkRaw(data, "key", index * duration, duration, { decoderConfig });
}

/** Takes the time of day out of a file, and puts a comment into it. */
function finish(mp4: Uint8Array<ArrayBuffer>, comment?: string): Uint8Array<ArrayBuffer> {
  const moov = boxesIn(mp4, 0, mp4.length, "MP4").find(({ type }) => type === "moov")!;
  const track = requireBox(mp4, moov, "trak", "MP4");
  const dated = [
    requireBox(mp4, moov, "mvhd", "MP4"),
    requireBox(mp4, track, "tkhd", "MP4"),
    requireBox(mp4, track, "mdia/mdhd", "MP4"),
  ];
  for (const { body } of dated) {
    // Time of creation and of the last change; zero means unknown.
    mp4.fill(0, body + 4, body + (mp4[body] === 1 ? 20 : 12));
  }
  return comment === undefined ? mp4 : insert(mp4, moov, track, userData(comment));
}

/** A comment where players and `ffprobe` look for it: as iTunes writes it. */
function userData(comment: string): Uint8Array {
  const utf8 = 1;
  const data = makeBox("data", u32(utf8, 0), new TextEncoder().encode(comment));
  return makeBox(
    "udta",
    makeFullBox(
      "meta",
      0,
      0,
      makeFullBox("hdlr", 0, 0, u32(0), ascii("mdirappl"), u32(0, 0), u8(0)),
      makeBox("ilst", makeBox("\u00a9cmt", data)),
    ),
  );
}

/** Adds a box at the end of `moov`; what lies behind moves on, so the places of frames change. */
function insert(mp4: Uint8Array<ArrayBuffer>, moov: Box, track: Box, added: Uint8Array) {
  const view = viewOf(mp4);
  view.setUint32(moov.start, moov.end - moov.start + added.length);
  const table = requireBox(mp4, track, "mdia/minf/stbl", "MP4");
  const offsets = innerBoxes(mp4, table, "MP4").find(({ type }) => type === "stco")!;
  for (let at = offsets.body + 8; at < offsets.end; at += 4) {
    view.setUint32(at, view.getUint32(at) + added.length);
  }
  return concatenateBytes([mp4.subarray(0, moov.end), added, mp4.subarray(moov.end)]);
}
