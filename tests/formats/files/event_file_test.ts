/** Event files, read back by a reader of the format that shares no code with the writer. */
import assert from "node:assert/strict";
import { crc32c, eventRecords, type ScalarEvent } from "../../../formats/files/event_file.ts";

Deno.test("CRC-32C has the values of RFC 3720, appendix B.4", () => {
  const bytes = (length: number, value: (index: number) => number) =>
    Uint8Array.from({ length }, (_, index) => value(index));
  assert.equal(crc32c(bytes(32, () => 0)), 0x8a9136aa);
  assert.equal(crc32c(bytes(32, () => 0xff)), 0x62a8ab43);
  assert.equal(crc32c(bytes(32, (index) => index)), 0x46dd794e);
  assert.equal(crc32c(bytes(32, (index) => 31 - index)), 0x113fdb5c);
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
});

/** Contents of the records of a file, their checksums checked. */
function contentsOf(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer);
  const contents: Uint8Array[] = [];
  const masked = (bytes: Uint8Array) => {
    const crc = BigInt(crc32c(bytes));
    return Number(((crc >> 15n | crc << 17n & 0xffffffffn) + 0xa282ead8n) & 0xffffffffn);
  };
  for (let at = 0; at < file.length;) {
    const length = Number(view.getBigUint64(at, true));
    assert.equal(view.getUint32(at + 8, true), masked(file.subarray(at, at + 8)));
    const content = file.slice(at + 12, at + 12 + length);
    assert.equal(view.getUint32(at + 12 + length, true), masked(content));
    contents.push(content);
    at += length + 16;
  }
  return contents;
}

type Field = [number: number, value: bigint | number | Uint8Array];

/** Fields of a message of protocol buffers. */
function fieldsOf(message: Uint8Array): Field[] {
  const view = new DataView(message.buffer, message.byteOffset);
  let at = 0;
  const varint = () => {
    let [value, shift, byte] = [0n, 0n, 0x80];
    for (; byte & 0x80; shift += 7n) value |= BigInt((byte = message[at++]) & 0x7f) << shift;
    return value;
  };
  const fields: Field[] = [];
  while (at < message.length) {
    const key = Number(varint());
    const value = () => {
      switch (key & 7) {
        case 0:
          return varint();
        case 1:
          return view.getFloat64((at += 8) - 8, true);
        case 2: {
          const length = Number(varint());
          return message.subarray(at, at += length);
        }
        default:
          return view.getFloat32((at += 4) - 4, true);
      }
    };
    fields.push([key >> 3, value()]);
  }
  return fields;
}

function fileOf(events: ScalarEvent[]): Uint8Array {
  return Uint8Array.from(Array.from(eventRecords(events)).flatMap((record) => [...record]));
}

Deno.test("records say version, time, step and values, whatever their size", () => {
  const names = ["loss", "ä".repeat(100)];
  const steps = [0, 127, 128, 300_000, 2 ** 40 + 5];
  const events = steps.map((step, index) => ({
    time: 1.7e9 + index / 8,
    step,
    values: { [names[0]]: 0.5 - index, [names[1]]: NaN },
  }));
  const text = (bytes: unknown) => new TextDecoder().decode(bytes as Uint8Array);
  const [first, ...others] = contentsOf(fileOf(events)).map(fieldsOf);
  assert.deepEqual(first.map(([number, value]) => [number, number === 3 ? text(value) : value]), [
    [1, 1.7e9],
    [3, "brain.Event:2"],
  ]);
  assert.equal(others.length, steps.length);
  others.forEach(([time, step, summary], index) => {
    assert.deepEqual([time, step], [[1, 1.7e9 + index / 8], [2, BigInt(steps[index])]]);
    assert.equal(summary[0], 5);
    const values = fieldsOf(summary[1] as Uint8Array)
      .map(([, value]) => fieldsOf(value as Uint8Array));
    assert.deepEqual(values.map(([[, name]]) => text(name)), names);
    assert.deepEqual(values.map(([, [number, value]]) => [number, value]), [
      [2, 0.5 - index],
      [2, NaN],
    ]);
  });
});

Deno.test("no events are no records", () => assert.deepEqual(fileOf([]), new Uint8Array()));
