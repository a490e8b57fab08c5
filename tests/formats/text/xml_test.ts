import assert from "node:assert/strict";
import { escapeXml } from "../../../formats/text/xml.ts";

Deno.test("markup is only text, control characters are nothing", () => {
  assert.equal(escapeXml('<a b="c">&\u0000\u001b'), "&lt;a b=&quot;c&quot;&gt;&amp;");
  assert.equal(escapeXml("\ud800 — ok\n"), "\ufffd — ok\n");
});
