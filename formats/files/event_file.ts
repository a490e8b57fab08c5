/**
 * Event files, which TensorBoard reads: a sequence of records with checksums (TFRecord), each one
 * `Event` message of protocol buffers. Only what scalars need of `event.proto` and `summary.proto`.
 *
 * @module
 */

/** Values measured at one step. */
export interface ScalarEvent {
  /** Seconds since 1970. */
  readonly time: number;
  /** Steps taken so far. */
  readonly step: number;
  /** Values by the names of their charts; stored in single precision. */
  readonly values: Readonly<Record<string, number>>;
}

/** Remainders of CRC-32C (Castagnoli), reflected, of all bytes. */
const remainders = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0x82f63b78 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

/** The CRC-32C of some bytes, 0 to 2^32 - 1. */
export function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) crc = remainders[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** A checksum as records hold it: rotated and shifted, because contents may hold checksums too. */
function maskedChecksum(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Length, its checksum, contents, their checksum; numbers little-endian. */
function recordOf(contents: Uint8Array): Uint8Array {
  const record = new Uint8Array(contents.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(contents.length), true);
  view.setUint32(8, maskedChecksum(record.subarray(0, 8)), true);
  record.set(contents, 12);
  view.setUint32(12 + contents.length, maskedChecksum(contents), true);
  return record;
}

/** A whole number in groups of 7 bits, the lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push(value % 0x80 + 0x80);
  return [...bytes, value];
}

/** A field of variable length: number 1 to 15, length, contents. */
function field(number: number, contents: ArrayLike<number>): number[] {
  return [number << 3 | 2, ...varint(contents.length), ...Array.from(contents)];
}

function eventOf(time: number, body: readonly number[]): Uint8Array {
  const seconds = new Uint8Array(Float64Array.of(time).buffer);
  return Uint8Array.of(1 << 3 | 1, ...seconds, ...body);
}

function scalarEvent({ time, step, values }: ScalarEvent): Uint8Array {
  const encoder = new TextEncoder();
  const summary = Object.entries(values).flatMap(([name, value]) => {
    const single = new Uint8Array(Float32Array.of(value).buffer);
    return field(1, [...field(1, encoder.encode(name)), 2 << 3 | 5, ...single]);
  });
  return eventOf(time, [2 << 3 | 0, ...varint(step), ...field(5, summary)]);
}

/** The records of an event file, in order; the first one names the version of the format. */
export function* eventRecords(events: Iterable<ScalarEvent>): Generator<Uint8Array> {
  let isFirst = true;
  for (const event of events) {
    if (isFirst) {
      yield recordOf(eventOf(event.time, field(3, new TextEncoder().encode("brain.Event:2"))));
    }
    isFirst = false;
    yield recordOf(scalarEvent(event));
  }
}
