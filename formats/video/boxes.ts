/**
 * Boxes of the ISO base media file format (ISO/IEC 14496-12), of which MP4 and AVIF files consist: a
 * length, a type of four letters, and contents that may be boxes again.
 *
 * @module
 */
import { concatenateBytes } from "../../base/bytes.ts";
import { InputError, quote } from "../../base/errors.ts";

/** Where a box lies in some bytes: its header from `start`, its contents from `body` to `end`. */
export interface Box {
  /** Four letters. */
  readonly type: string;
  readonly start: number;
  readonly body: number;
  readonly end: number;
}

const latin1 = new TextDecoder("latin1");

/** A view of bytes for their numbers, which are big-endian. */
export const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/** Longest header of a box: with a length of 64 bits. */
export const longestHeader = 16;

/**
 * Reads the header of a box.
 *
 * @param header its first bytes: 16, or all that there are
 * @param start where it lies
 * @param limit where the last byte that it may have ends
 * @param where the file, for messages
 * @throws {InputError} when it is longer than there is room
 */
export function readBox(header: Uint8Array, start: number, limit: number, where: string): Box {
  const view = viewOf(header);
  const room = limit - start;
  const short = room >= 8 ? view.getUint32(0) : 0;
  const isLong = short === 1;
  const headerLength = isLong ? 16 : 8;
  const length = isLong && room >= 16 ? Number(view.getBigUint64(8)) : short === 0 ? room : short;
  if (room < headerLength || length < headerLength || length > room) {
    throw new InputError(`${where}: damaged: the box at byte ${start} has no room for itself`);
  }
  const type = latin1.decode(header.subarray(4, 8));
  return { type, start, body: start + headerLength, end: start + length };
}

/** The boxes that lie one after the other between two places; see {@link readBox}. */
export function* boxesIn(
  bytes: Uint8Array,
  start: number,
  end: number,
  where: string,
): Generator<Box> {
  for (let at = start; at < end;) {
    const box = readBox(bytes.subarray(at, at + longestHeader), at, end, where);
    yield box;
    at = box.end;
  }
}

/** How many bytes of its own a box has before the boxes in it. */
function prefixLength(bytes: Uint8Array, { type, body }: Box): number {
  if (type === "stsd") return 8;
  // In QuickTime's files it has no version.
  const isFull = latin1.decode(bytes.subarray(body + 4, body + 8)) !== "hdlr";
  return type === "meta" && isFull ? 4 : 0;
}

/** The boxes in a box. */
export function innerBoxes(bytes: Uint8Array, box: Box, where: string): Generator<Box> {
  return boxesIn(bytes, box.body + prefixLength(bytes, box), box.end, where);
}

/** The first box in a box at a path of types, such as `mdia/minf/stbl`. */
export function findBox(
  bytes: Uint8Array,
  box: Box,
  path: string,
  where: string,
): Box | undefined {
  let found: Box | undefined = box;
  for (const type of path.split("/")) {
    found = found && innerBoxes(bytes, found, where).find((inner) => inner.type === type);
  }
  return found;
}

/**
 * Like {@link findBox}, for what a file must have.
 *
 * @throws {InputError} when there is none
 */
export function requireBox(bytes: Uint8Array, box: Box, path: string, where: string): Box {
  const found = findBox(bytes, box, path, where);
  if (found) return found;
  throw new InputError(`${where}: damaged: ${quote(box.type)} has no ${quote(path)}`);
}

/** Big-endian numbers of 1, 2 or 4 bytes. */
export const u8 = (...numbers: readonly number[]): Uint8Array => Uint8Array.from(numbers);
export const u16 = (...numbers: readonly number[]): Uint8Array =>
  u8(...numbers.flatMap((number) => [number >>> 8, number & 255]));
export const u32 = (...numbers: readonly number[]): Uint8Array =>
  u16(...numbers.flatMap((number) => [number >>> 16, number & 0xffff]));

/** The bytes of a text, one a character, such as the four of a type. */
export const ascii = (text: string): Uint8Array =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));

/** A box with its header. */
export function makeBox(type: string, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 8);
  return concatenateBytes([u32(length), ascii(type), ...parts]);
}

/** A box that begins with its version and flags. */
export function makeFullBox(
  type: string,
  version: number,
  flags: number,
  ...parts: readonly Uint8Array[]
): Uint8Array<ArrayBuffer> {
  return makeBox(type, u32(version << 24 | flags), ...parts);
}
