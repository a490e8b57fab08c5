import assert from "node:assert/strict";
import fc from "fast-check";
import { InputError } from "../../../base/errors.ts";
import {
  readPngMetadata,
  readPngText,
  setPngMetadata,
  setPngText,
} from "../../../formats/pictures/png.ts";
import { scale } from "../../scale.ts";

/** A 1 x 1 grey PNG, made by hand so that these tests need no picture library. */
const dot = Uint8Array.from(
  atob(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==",
  ),
  (character) => character.charCodeAt(0),
);

Deno.test("png: metadata is read back, ASCII or not", () => {
  for (const value of [{ seed: 7, model: "DiT-S/8" }, { class: "café 犬" }, [], null, "x\ny"]) {
    assert.deepEqual(readPngMetadata(setPngMetadata(dot, value)), value);
  }
  assert.equal(readPngMetadata(dot), undefined);
});

Deno.test("png: a second text under a keyword replaces the first, others stay", () => {
  const png = setPngText(setPngText(setPngText(dot, "a", "1"), "b", "é"), "a", "2");
  assert.deepEqual(readPngText(png), new Map([["a", "2"], ["b", "é"]]));
});

Deno.test("png: sharp still decodes the picture and sees the text", async () => {
  const { default: sharp } = await import("sharp");
  const png = setPngText(setPngMetadata(dot, { n: 1 }), "Title", "ü");
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  assert.equal(info.width * info.height, 1);
  assert.equal(data[0], 0);
  const comments = (await sharp(png).metadata()).comments ?? [];
  assert.ok(comments.some(({ keyword, text }) => keyword === "tessera" && text === '{"n":1}'));
});

Deno.test("png: what is wrong is said", () => {
  const fails = (bytes: Uint8Array, expected: RegExp) =>
    assert.throws(() => readPngText(bytes, "file.png"), (error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, expected);
      return error.message.startsWith("file.png: ");
    });
  fails(new Uint8Array(0), /not a PNG/);
  fails(new TextEncoder().encode("GIF89a"), /not a PNG/);
  for (let length = 8; length < dot.length; length++) fails(dot.subarray(0, length), /truncated/);
  fails(dot.with(20, 9), /chunk at byte 8 has a wrong checksum/);
  fails(dot.with(8, 0xff), /truncated/);
  const notJson = setPngText(dot, "tessera", "{");
  assert.throws(() => readPngMetadata(notJson, "file.png"), /file.png: .* is not JSON/);
  assert.throws(() => setPngText(dot, "", "x"), RangeError);
  assert.throws(() => setPngText(dot, "a".repeat(80), "x"), RangeError);
});

Deno.test("png: bytes after the end marker and view offsets do no harm", () => {
  const padded = new Uint8Array(dot.length + 30);
  padded.set(dot, 10);
  const png = setPngText(padded.subarray(10), "k", "v");
  assert.deepEqual(readPngText(png), new Map([["k", "v"]]));
});

Deno.test("png: damaged files give clear errors only", () => {
  const good = setPngText(setPngMetadata(dot, { a: "é" }), "k", "v");
  const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 });
  fc.assert(
    fc.property(edits, fc.nat(good.length), (list, cut) => {
      const bytes = good.slice(0, Math.max(cut, good.length - cut));
      for (const [at, value] of list) if (at < bytes.length) bytes[at] = value;
      try {
        readPngMetadata(bytes);
      } catch (error) {
        assert.ok(error instanceof InputError, String(error));
      }
    }),
    { numRuns: scale(500, 100_000) },
  );
});

Deno.test("png: any text survives", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    // A text chunk ends its fields with zero bytes; the last field may hold them.
    assert.equal(readPngText(setPngText(dot, "tessera", text)).get("tessera"), text);
  }));
});
