/**
 * Writing zip archives of any size: entries stored as they are and streamed, zip64 throughout, all or
 * nothing.
 *
 * Sizes of 64 bits are used for small entries too: one form is simpler to trust than two, and NumPy
 * writes its local headers the same way.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { type AtomicWriter, writeAtomically } from "../files/atomic_file.ts";

/** One entry of an archive to write. */
export interface ZipContents {
  /** Its name, with forward slashes. */
  readonly name: string;
  /** Bytes it has. */
  readonly size: number;
  /** Its bytes, in pieces of any length. */
  readonly chunks: Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>;
}

/** What the directory says about an entry. */
interface WrittenEntry {
  readonly name: Uint8Array;
  readonly size: number;
  readonly checksum: number;
  readonly offset: number;
}

/** Version of the format that zip64 needs, and a date the format can hold: 1 January 1980. */
const version = 45;
const date = 0x21;
const unknown16 = 0xffff;
const unknown32 = 0xffffffff;

/** Little-endian fields as [bytes, value] pairs. */
function pack(fields: readonly (readonly [1 | 2 | 4 | 8, number])[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((length, [size]) => length + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 8) view.setBigUint64(at, BigInt(value), true);
    else if (size === 4) view.setUint32(at, value, true);
    else view.setUint16(at, value, true);
    at += size;
  }
  return bytes;
}

/** Fields that local and directory headers share: version, flags, method, time, date, checksum, sizes. */
function commonFields(checksum: number, nameLength: number, extraLength: number) {
  return [
    [2, version],
    [2, 0],
    [2, 0],
    [2, 0],
    [2, date],
    [4, checksum],
    [4, unknown32],
    [4, unknown32],
    [2, nameLength],
    [2, extraLength],
  ] as const;
}

function localHeader({ name, size, checksum }: WrittenEntry): Uint8Array[] {
  const extra = pack([[2, 1], [2, 16], [8, size], [8, size]]);
  return [
    pack([[4, 0x04034b50], ...commonFields(checksum, name.length, extra.length)]),
    name,
    extra,
  ];
}

function directoryHeader({ name, size, checksum, offset }: WrittenEntry): Uint8Array[] {
  const extra = pack([[2, 1], [2, 24], [8, size], [8, size], [8, offset]]);
  const fixed = pack([
    [4, 0x02014b50],
    [2, version],
    ...commonFields(checksum, name.length, extra.length),
    [2, 0], // comment length
    [2, 0], // disk
    [2, 0], // internal attributes
    [4, 0], // external attributes
    [4, unknown32], // offset, in the extra field
  ]);
  return [fixed, name, extra];
}

function endRecords(entries: number, start: number, length: number): Uint8Array[] {
  const end64 = pack([
    [4, 0x06064b50],
    [8, 44], // length of the rest of this record
    [2, version],
    [2, version],
    [4, 0],
    [4, 0],
    [8, entries],
    [8, entries],
    [8, length],
    [8, start],
  ]);
  const locator = pack([[4, 0x07064b50], [4, 0], [8, start + length], [4, 1]]);
  const end = pack([
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, unknown16],
    [2, unknown16],
    [4, unknown32],
    [4, unknown32],
    [2, 0],
  ]);
  return [end64, locator, end];
}

async function writeParts(writer: AtomicWriter, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts) await writer.write(part);
}

/** Writes one entry; its checksum is filled in once it is known. */
async function writeEntry(
  writer: AtomicWriter,
  { name, size, chunks }: ZipContents,
): Promise<WrittenEntry> {
  const offset = writer.position;
  const entry = { name: new TextEncoder().encode(name), size, checksum: 0, offset };
  await writeParts(writer, localHeader(entry));
  const start = writer.position;
  let checksum = 0;
  for await (const { buffer, byteOffset, byteLength } of chunks) {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    checksum = crc32(bytes, checksum);
    await writer.write(bytes);
  }
  if (writer.position - start !== size) {
    throw new RangeError(`"${name}" takes ${size} bytes, got ${writer.position - start}`);
  }
  await writer.writeAt(offset + 14, pack([[4, checksum]]));
  return { ...entry, checksum };
}

/**
 * Writes an archive, all or nothing. Memory use does not depend on the size of its entries.
 *
 * @param contents written in order; each one's chunks are drained before the next entry is asked for
 * @returns the length of the file in bytes
 * @throws {RangeError} when chunks do not add up to an entry's size
 */
export async function writeZip(
  path: string,
  contents: Iterable<ZipContents> | AsyncIterable<ZipContents>,
): Promise<number> {
  return await writeAtomically(path, async (writer) => {
    const entries: WrittenEntry[] = [];
    for await (const entry of contents) entries.push(await writeEntry(writer, entry));
    const start = writer.position;
    for (const entry of entries) await writeParts(writer, directoryHeader(entry));
    await writeParts(writer, endRecords(entries.length, start, writer.position - start));
    return writer.position;
  });
}
