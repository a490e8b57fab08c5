/**
 * Text inside PNG files: how a sample carries the parameters it was made with.
 *
 * Text is kept uncompressed, in a `tEXt` chunk when it is ASCII (which every program shows) and in an
 * `iTXt` chunk (UTF-8) otherwise, right after the image header.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { concatenateBytes } from "../../base/bytes.ts";
import { InputError } from "../../base/errors.ts";

/** The keyword under which Tessera keeps its JSON. */
const pngKeyword = "tessera";

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** One chunk of a PNG file; `start` and `end` bound it whole, in bytes from the start of the file. */
interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  readonly start: number;
  readonly end: number;
}

const latin1 = new TextDecoder("latin1");

/** Goes through the chunks up to the end marker, checking bounds and checksums. */
function* chunksOf(png: Uint8Array, where: string): Generator<Chunk> {
  if (!signature.every((byte, index) => png[index] === byte)) {
    throw new InputError(`${where}: not a PNG file`);
  }
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  let type = "";
  for (let start = signature.length; type !== "IEND";) {
    const length = start + 12 <= png.length ? view.getUint32(start) : Infinity;
    const end = start + 12 + length;
    if (end > png.length) throw new InputError(`${where}: truncated PNG: no end marker`);
    type = latin1.decode(png.subarray(start + 4, start + 8));
    if (crc32(png.subarray(start + 4, end - 4)) !== view.getUint32(end - 4)) {
      throw new InputError(`${where}: damaged PNG: chunk at byte ${start} has a wrong checksum`);
    }
    if (start === signature.length && type !== "IHDR") {
      throw new InputError(`${where}: damaged PNG: does not start with an image header`);
    }
    yield { type, data: png.subarray(start + 8, end - 4), start, end };
    start = end;
  }
}

/** Splits off the bytes before the next zero byte; undefined when there is none. */
function splitAtZero(data: Uint8Array): [Uint8Array, Uint8Array] | undefined {
  const zero = data.indexOf(0);
  return zero < 0 ? undefined : [data.subarray(0, zero), data.subarray(zero + 1)];
}

/** Keyword and text of an uncompressed text chunk; undefined for any other or malformed chunk. */
function parseText({ type, data }: Chunk): [string, string] | undefined {
  if (type !== "tEXt" && type !== "iTXt") return undefined;
  const [keyword, rest] = splitAtZero(data) ?? [];
  if (keyword === undefined || rest === undefined) return undefined;
  if (type === "tEXt") return [latin1.decode(keyword), latin1.decode(rest)];
  const isCompressed = rest[0] !== 0;
  const [, afterLanguage] = splitAtZero(rest.subarray(2)) ?? [];
  const [, text] = splitAtZero(afterLanguage ?? new Uint8Array()) ?? [];
  if (isCompressed || text === undefined) return undefined;
  return [latin1.decode(keyword), new TextDecoder().decode(text)];
}

/** A chunk with its length and checksum. */
function encodeChunk(type: string, data: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(12 + data.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length);
  chunk.set(new TextEncoder().encode(type), 4);
  chunk.set(data, 8);
  view.setUint32(8 + data.length, crc32(chunk.subarray(4, 8 + data.length)));
  return chunk;
}

function encodeText(keyword: string, text: string): Uint8Array {
  if (!/^[!-~](?:[ -~]{0,77}[!-~])?$/.test(keyword)) {
    throw new RangeError(`"${keyword}" is not a PNG keyword: 1 to 79 printable ASCII characters`);
  }
  const isAscii = /^[\n -~]*$/.test(text);
  const separator = isAscii ? "\0" : "\0\0\0\0\0"; // no compression, no language, no translation
  const data = new TextEncoder().encode(keyword + separator + text);
  return encodeChunk(isAscii ? "tEXt" : "iTXt", data);
}

/**
 * A PNG file with a text added, in place of any earlier one under the same keyword. Pixels and other
 * chunks are copied as they are.
 *
 * @param keyword 1 to 79 printable ASCII characters
 * @param where the file, for messages
 * @throws {InputError} when `png` is not a whole PNG file
 */
export function setPngText(
  png: Uint8Array,
  keyword: string,
  text: string,
  where = "PNG",
): Uint8Array<ArrayBuffer> {
  const added = encodeText(keyword, text);
  const parts = [png.subarray(0, signature.length)];
  for (const chunk of chunksOf(png, where)) {
    if (parseText(chunk)?.[0] !== keyword) parts.push(png.subarray(chunk.start, chunk.end));
    if (chunk.type === "IHDR") parts.push(added);
  }
  return concatenateBytes(parts);
}

/**
 * The uncompressed texts of a PNG file by keyword; the last one when a keyword is repeated.
 *
 * @param where the file, for messages
 * @throws {InputError} when `png` is not a whole PNG file
 */
export function readPngText(png: Uint8Array, where = "PNG"): Map<string, string> {
  const texts = new Map<string, string>();
  for (const chunk of chunksOf(png, where)) {
    const entry = parseText(chunk);
    if (entry) texts.set(...entry);
  }
  return texts;
}

/** A PNG file with `value` as JSON under the keyword "tessera"; see {@link setPngText}. */
export function setPngMetadata(
  png: Uint8Array,
  value: unknown,
  where?: string,
): Uint8Array<ArrayBuffer> {
  return setPngText(png, pngKeyword, JSON.stringify(value), where);
}

/**
 * The JSON value under the keyword "tessera", or undefined when there is none.
 *
 * @throws {InputError} when `png` is not a whole PNG file or the text is not JSON
 */
export function readPngMetadata(png: Uint8Array, where = "PNG"): unknown {
  const text = readPngText(png, where).get(pngKeyword);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new InputError(`${where}: the text under "${pngKeyword}" is not JSON`);
  }
}
