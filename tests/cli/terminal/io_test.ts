import assert from "node:assert/strict";
import { recordedIo } from "../support.ts";

const hostile = "a\x1b[2J\x9b1m\x7f\nb";

Deno.test("no control character of a file reaches the terminal, on either stream", () => {
  const io = recordedIo({ live: true });
  io.out(hostile);
  io.tell(hostile);
  io.explain(hostile);
  assert.equal(io.written.out, "a\\u001b[2J\\u009b1m\\u007f\nb\n");
  assert.equal(
    io.written.err,
    "a\\u001b[2J\\u009b1m\\u007f b\na\\u001b[2J\\u009b1m\\u007f\nb\n",
  );
  io.written.err = "";
  io.draw(hostile);
  assert.equal(io.written.err, "\r\x1b[Ka\\u001b[2J\\u009b1m\\u007f b");
});

Deno.test("in the JSON format whatever is told is one object a line, and nothing is drawn", () => {
  const io = recordedIo({ live: true }, "json");
  assert(!io.live);
  io.tell(hostile);
  io.tell("tessera: no", { error: hostile, exitCode: 2 });
  io.explain("Usage:\n  tessera");
  const lines = io.written.err.trimEnd().split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line)), [
    { message: hostile },
    { error: hostile, exitCode: 2 },
    { message: "Usage:\n  tessera" },
  ]);
  assert.doesNotMatch(lines.join(""), /\p{Cc}/u);
});

Deno.test("a line stands above the live one, which can be taken away or left", () => {
  const io = recordedIo({ live: true });
  io.draw("1/2");
  io.tell("note");
  io.draw("2/2");
  io.leaveLine();
  io.tell("end");
  assert.equal(
    io.written.err,
    "\r\x1b[K1/2\r\x1b[Knote\n\r\x1b[K1/2\r\x1b[K2/2\nend\n",
  );
});
