import assert from "node:assert/strict";
import fc from "fast-check";
import { escapeControls, oneLine } from "../../base/control_characters.ts";

Deno.test("control characters are written out: C0, DEL, C1, a lone carriage return", () => {
  assert.equal(escapeControls("a\x00\x1b[2J\x7f\x9b1m"), "a\\u0000\\u001b[2J\\u007f\\u009b1m");
  assert.equal(escapeControls("done\rlies"), "done\\u000dlies");
  assert.equal(escapeControls("a\tb\r\nc\né 猫"), "a\tb\r\nc\né 猫");
});

Deno.test("a JSON document means the same after escaping, and holds no control character", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const json = escapeControls(JSON.stringify({ text }));
    assert.deepEqual(JSON.parse(json), { text });
    assert.doesNotMatch(json, /\p{Cc}/u);
  }));
});

Deno.test("one line stays one line", () => {
  assert.equal(oneLine("  two:\n  lines\r\nand\ttabs \n"), "  two: lines and tabs");
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert.doesNotMatch(oneLine(text), /[\p{Cc}\u2028\u2029]/u);
  }));
});
