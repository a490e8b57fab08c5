/**
 * Reading zip archives of any size: the directory at the end of the file (with its 64-bit forms),
 * then single entries, stored or deflated, as streams with checked length and checksum.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { decompressChunks } from "../files/decompress.ts";
import { InputError, quote } from "../../base/errors.ts";
import type { RangeFile } from "../files/range_file.ts";

/** One file inside an archive. */
export interface ZipEntry {
  /** Its name, with forward slashes. */
  readonly name: string;
  /** Whether it is deflated; otherwise it is stored. */
  readonly isDeflated: boolean;
  /** Bytes it takes in the archive. */
  readonly compressedSize: number;
  /** Bytes it has when taken out. */
  readonly size: number;
  /** CRC-32 of the bytes taken out. */
  readonly checksum: number;
  /** Position of its local header in the archive. */
  readonly headerOffset: number;
}

/** Longest directory accepted, in bytes. */
const maximumDirectory = 1 << 26;

/** Deflate cannot make anything smaller than by this factor. */
const maximumRatio = 1032;

const endSignature = 0x06054b50;
const locatorSignature = 0x07064b50;
const end64Signature = 0x06064b50;
const centralSignature = 0x02014b50;
const localSignature = 0x04034b50;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A 64-bit number; one that is not a whole number in JavaScript is out of every bound anyway. */
function getUint64(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

/** Where the directory lies. */
interface DirectoryRange {
  readonly start: number;
  readonly length: number;
}

/** Finds the end record: the last 22 bytes, or earlier when a comment follows. */
function findDirectory(file: RangeFile): DirectoryRange {
  const tailStart = Math.max(0, file.size - 22 - 0xffff - 20);
  const tail = viewOf(file.read(tailStart, file.size - tailStart));
  for (let end = tail.byteLength - 22; end >= 0; end--) {
    if (tail.getUint32(end, true) !== endSignature) continue;
    const range = { length: tail.getUint32(end + 12, true), start: tail.getUint32(end + 16, true) };
    const hasLocator = end >= 20 && tail.getUint32(end - 20, true) === locatorSignature;
    return hasLocator ? findDirectory64(file, getUint64(tail, end - 12)) : range;
  }
  throw new InputError(`${file.path}: not a zip archive, or truncated: it has no directory`);
}

function findDirectory64(file: RangeFile, recordStart: number): DirectoryRange {
  const record = viewOf(file.read(recordStart, 56));
  if (record.getUint32(0, true) !== end64Signature) {
    throw new InputError(`${file.path}: damaged zip archive: no 64-bit end record`);
  }
  return { length: getUint64(record, 40), start: getUint64(record, 48) };
}

/** Replaces sizes and offset that did not fit into 32 bits, in the order the format prescribes. */
function extendFields(extra: DataView, fields: number[]): number[] {
  for (let at = 0; at + 4 <= extra.byteLength;) {
    const end = at + 4 + extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) === 1) {
      let position = at + 4;
      return fields.map((field) => {
        if (field !== 0xffffffff || position + 8 > Math.min(end, extra.byteLength)) return field;
        position += 8;
        return getUint64(extra, position - 8);
      });
    }
    at = end;
  }
  return fields;
}

function parseEntry(file: RangeFile, record: DataView, name: string, extra: DataView): ZipEntry {
  const where = `${file.path}: entry ${quote(name)}`;
  const flags = record.getUint16(8, true);
  const method = record.getUint16(10, true);
  if (flags & 1) throw new InputError(`${where} is encrypted`);
  if (method !== 0 && method !== 8) {
    throw new InputError(`${where} uses compression method ${method}; 0 and 8 can be read`);
  }
  const short = [24, 20, 42].map((offset) => record.getUint32(offset, true));
  const [size, compressedSize, headerOffset] = extendFields(extra, short);
  const isPossible = method === 0 ? size === compressedSize : size <= compressedSize * maximumRatio;
  if (!isPossible || headerOffset + 30 + compressedSize > file.size) {
    throw new InputError(`${where} is damaged: its sizes are impossible`);
  }
  const checksum = record.getUint32(16, true);
  return { name, isDeflated: method === 8, compressedSize, size, checksum, headerOffset };
}

/**
 * Lists the entries of an archive in the order of its directory.
 *
 * @throws {InputError} when the file is not a zip archive, is damaged, or holds an entry that is
 * encrypted or compressed by something other than deflate
 */
export function readZipDirectory(file: RangeFile): ZipEntry[] {
  const { start, length } = findDirectory(file);
  if (length > maximumDirectory || start + length > file.size) {
    throw new InputError(`${file.path}: damaged zip archive: its directory is out of bounds`);
  }
  const directory = file.read(start, length);
  const entries: ZipEntry[] = [];
  for (let at = 0; at < length;) {
    const record = viewOf(directory.subarray(at));
    const isRecord = record.byteLength >= 46 && record.getUint32(0, true) === centralSignature;
    const nameEnd = isRecord ? 46 + record.getUint16(28, true) : 0;
    const extraEnd = isRecord ? nameEnd + record.getUint16(30, true) : 0;
    if (!isRecord || extraEnd > record.byteLength) {
      throw new InputError(`${file.path}: damaged zip archive: directory entry ${entries.length}`);
    }
    const name = new TextDecoder().decode(directory.subarray(at + 46, at + nameEnd));
    const extra = viewOf(directory.subarray(at + nameEnd, at + extraEnd));
    entries.push(parseEntry(file, record, name, extra));
    at += extraEnd + record.getUint16(32, true);
  }
  return entries;
}

/**
 * Position of an entry's data in the archive.
 *
 * @throws {InputError} when there is no entry at the place that the directory names
 */
export function dataStart(file: RangeFile, entry: ZipEntry): number {
  const local = viewOf(file.read(entry.headerOffset, 30));
  if (local.getUint32(0, true) !== localSignature) {
    throw new InputError(`${file.path}: entry ${quote(entry.name)} is damaged: no local header`);
  }
  return entry.headerOffset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
}

/**
 * The bytes of an entry in chunks, decompressed. A consumer may stop early; one that reads to the end
 * knows that length and checksum are right.
 *
 * @throws {InputError} when the entry is damaged
 */
export async function* readZipEntry(
  file: RangeFile,
  entry: ZipEntry,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const where = `${file.path}: entry ${quote(entry.name)}`;
  const stored = file.stream(dataStart(file, entry), entry.compressedSize);
  const chunks = entry.isDeflated
    ? decompressChunks(stored, { format: "deflate-raw", limit: entry.size, where })
    : stored;
  let checksum = 0;
  let length = 0;
  for await (const chunk of chunks) {
    checksum = crc32(chunk, checksum);
    length += chunk.length;
    yield chunk;
  }
  if (length !== entry.size || checksum !== entry.checksum) {
    throw new InputError(
      `${where} is damaged: wrong ${length === entry.size ? "checksum" : "length"}`,
    );
  }
}
