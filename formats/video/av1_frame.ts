/**
 * One frame of AV1 video that needs no other, as an AVIF file and without it. An AVIF picture is such
 * a frame (a key frame) beside a description of it, so an encoder and a decoder of AVIF are ones of
 * video whose every frame is a key frame.
 *
 * @module
 */
import { concatenateBytes } from "../../base/bytes.ts";
import { InputError } from "../../base/errors.ts";
import { ascii, boxesIn, makeBox, makeFullBox, requireBox, u16, u32, u8, viewOf } from "./boxes.ts";

/** A key frame of AV1. */
export interface Av1Frame {
  /** What a decoder must know before it: the contents of the box `av1C` (AV1-ISOBMFF, 2.3). */
  readonly configuration: Uint8Array;
  /** The frame itself, a sequence of open bitstream units. */
  readonly data: Uint8Array;
}

/** How colours are stored, as the box `colr` tells it (ITU-T H.273). */
export interface Colours {
  readonly primaries: number;
  readonly transfer: number;
  readonly matrix: number;
  /** Whether 0 and 255 are black and white, and not 16 and 235. */
  readonly isFullRange: boolean;
}

/**
 * The frame in an AVIF file of one picture without transparency.
 *
 * @param where the file, for messages
 * @throws {InputError} when it is none
 */
export function frameOfAvif(avif: Uint8Array, where = "AVIF"): Av1Frame {
  const boxes = [...boxesIn(avif, 0, avif.length, where)];
  const [meta, mdat] = ["meta", "mdat"].map((type) => boxes.find((box) => box.type === type));
  if (!meta || !mdat) throw new InputError(`${where}: not an AVIF file of one picture`);
  const items = requireBox(avif, meta, "iinf", where);
  if (viewOf(avif).getUint16(items.body + 4) !== 1) {
    throw new InputError(`${where}: an AVIF file of more than one picture`);
  }
  const { body, end } = requireBox(avif, meta, "iprp/ipco/av1C", where);
  return {
    configuration: avif.slice(body, end),
    data: withoutDelimiter(avif.slice(mdat.body, mdat.end)),
  };
}

/** A frame without the mark of its beginning, which videos in boxes leave out (AV1-ISOBMFF, 2.4). */
function withoutDelimiter(data: Uint8Array): Uint8Array {
  const isDelimiter = data[0] === 0x12 && data[1] === 0;
  return isDelimiter ? data.subarray(2) : data;
}

/**
 * A frame as an AVIF file (AVIF 1.1, section 2; HEIF, ISO/IEC 23008-12).
 *
 * @param colours what the frame itself says of them unless told
 */
export function avifOfFrame(
  { configuration, data }: Av1Frame,
  { width, height }: { readonly width: number; readonly height: number },
  colours?: Colours,
): Uint8Array<ArrayBuffer> {
  const item = 1;
  const type = makeBox("ftyp", ascii("avif"), u32(0), ascii("avifmif1miaf"));
  const kinds = [
    makeFullBox("ispe", 0, 0, u32(width, height)),
    makeBox("av1C", configuration),
    ...(colours ? [colourBox(colours)] : []),
  ];
  // One item with all properties; the second, without which it cannot be read, is marked so.
  const marks = kinds.map((_, index) => index === 1 ? 2 | 128 : index + 1);
  const properties = makeBox(
    "iprp",
    makeBox("ipco", ...kinds),
    makeFullBox("ipma", 0, 0, u32(1), u16(item), u8(kinds.length, ...marks)),
  );
  const meta = (offset: number) =>
    makeFullBox(
      "meta",
      0,
      0,
      makeFullBox("hdlr", 0, 0, u32(0), ascii("pict"), u32(0, 0, 0), u8(0)),
      makeFullBox("pitm", 0, 0, u16(item)),
      // Offsets and lengths of four bytes; one item in one piece.
      makeFullBox("iloc", 0, 0, u8(0x44, 0), u16(1, item, 0, 1), u32(offset, data.length)),
      makeFullBox(
        "iinf",
        0,
        0,
        u16(1),
        makeFullBox("infe", 2, 0, u16(item, 0), ascii("av01"), u8(0)),
      ),
      properties,
    );
  const offset = type.length + meta(0).length + 8;
  return concatenateBytes([type, meta(offset), makeBox("mdat", data)]);
}

function colourBox({ primaries, transfer, matrix, isFullRange }: Colours): Uint8Array {
  const range = u8(isFullRange ? 128 : 0);
  return makeBox("colr", ascii("nclx"), u16(primaries, transfer, matrix), range);
}
