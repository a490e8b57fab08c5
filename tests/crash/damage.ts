/**
 * Ways to damage a file, drawn by fast-check so that a failure can be repeated and is made small.
 *
 * @module
 */
import fc from "fast-check";

/** One way to change the bytes of a file. */
export interface Damage {
  readonly kind: string;
  readonly apply: (bytes: Uint8Array) => Uint8Array<ArrayBuffer>;
}

/** A position, as a part of a file's length; small ones are headers. */
const place = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 0.01, 0.999));

const indexIn = (part: number, bytes: Uint8Array): number =>
  Math.min(bytes.length - 1, Math.floor(part * bytes.length));

function changed(bytes: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(bytes);
  if (copy.length > 0) change(copy);
  return copy;
}

const truncate = place.map((part): Damage => ({
  kind: `truncated at ${part}`,
  apply: (bytes) => Uint8Array.from(bytes.subarray(0, indexIn(part, bytes))),
}));

const flip = fc.record({ part: place, bit: fc.nat(7) }).map(({ part, bit }): Damage => ({
  kind: `bit ${bit} at ${part} flipped`,
  apply: (bytes) => changed(bytes, (copy) => copy[indexIn(part, copy)] ^= 1 << bit),
}));

/** Numbers that readers must not trust. */
const absurd = fc.constantFrom(2n ** 60n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 32n - 1n, 2n ** 31n, 0n);

const overwrite = fc.record({ part: place, value: absurd, size: fc.constantFrom(2, 4, 8) })
  .map(({ part, value, size }): Damage => ({
    kind: `${size} bytes of ${value} at ${part}`,
    apply: (bytes) =>
      changed(bytes, (copy) => {
        const number = new Uint8Array(BigUint64Array.of(value).buffer).subarray(0, size);
        const start = indexIn(part, copy);
        copy.set(number.subarray(0, copy.length - start), start);
      }),
  }));

const repeat = fc.record({ from: place, length: fc.nat(64) }).map(({ from, length }): Damage => ({
  kind: `${length} bytes from ${from} repeated`,
  apply: (bytes) => {
    const start = Math.max(0, indexIn(from, bytes));
    const parts = [bytes.subarray(0, start + length), bytes.subarray(start)];
    return Uint8Array.from(parts.flatMap((part) => [...part]));
  },
}));

/** Values to put in place of numbers and strings of a JSON text. */
const values = [
  "1152921504606846976",
  "1e308",
  "-1",
  "0.5",
  "null",
  "[]",
  "{}",
  '"../../../../etc/passwd"',
  '"/etc/passwd"',
  '"\\u001b[31m\\n\\u0000"',
  '"__proto__"',
  "[[[[[[[[[[[[]]]]]]]]]]]]",
];

const replaceValue = fc.record({ which: place, value: fc.constantFrom(...values) })
  .map(({ which, value }): Damage => ({
    kind: `value at ${which} is ${value}`,
    apply: (bytes) => {
      const text = new TextDecoder("latin1").decode(bytes);
      const found = [...text.matchAll(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?/g)];
      if (found.length === 0) return Uint8Array.from(bytes);
      const { index, 0: old } = found[Math.min(found.length - 1, Math.floor(which * found.length))];
      const result = text.slice(0, index) + value + text.slice(index + old.length);
      return Uint8Array.from(result, (character) => character.charCodeAt(0));
    },
  }));

/** Damage to bytes of any kind. */
export const binaryDamage: fc.Arbitrary<Damage> = fc.oneof(truncate, flip, overwrite, repeat);

/** Damage to a text of JSON, or to a header that is one. */
export const jsonDamage: fc.Arbitrary<Damage> = fc.oneof(
  truncate,
  flip,
  repeat,
  { weight: 3, arbitrary: replaceValue },
);
