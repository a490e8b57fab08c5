import assert from "node:assert/strict";
import { Opening } from "../../../cli/terminal/opening.ts";
import { recordedIo } from "../support.ts";

/** Lets `seconds` go by for timers and clocks. */
async function wait(seconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
}

/** Waits until something that matches was written; a busy machine may take its time. */
async function untilWritten(
  { written }: { written: { err: string } },
  text: RegExp,
): Promise<void> {
  while (!text.test(written.err)) await wait(0.02);
}

Deno.test("opening: within the first second there is a line, and then with what was found", async () => {
  const io = recordedIo();
  {
    using opening = new Opening(io, false);
    opening.watch("files seen", 12_345);
    await untilWritten(io, /file 12345\n/);
    opening.watch("pictures decoded", 0, 500);
    await untilWritten(io, /picture 000\/500\n/);
  }
  await wait(0.6);
  assert.deepEqual(io.written.err.split("\n"), [
    "data: looking for pictures",
    "file 12345",
    "data: decoding 500 pictures",
    "picture 000/500",
    "",
  ]);
});

Deno.test("opening: a live line has the time that is left, and goes away", async () => {
  const io = recordedIo({ live: true });
  {
    using opening = new Opening(io, false);
    for (const done of [10, 20]) {
      opening.watch("pictures decoded", done, 500);
      await untilWritten(io, new RegExp(`picture 0${done}/500`));
    }
  }
  // deno-lint-ignore no-control-regex -- the live line is drawn over the one before
  assert.match(io.written.err, /\r\x1b\[Kpicture 020\/500 {2}ETA \d+ s {2}[\d.]+ pictures\/s/);
  assert.ok(io.written.err.endsWith("\r\x1b[K"));
});

Deno.test("opening: what takes a moment says nothing, what is left out is said once, quiet or not", async () => {
  for (const [quiet, seconds] of [[false, 0], [true, 0.8]] as const) {
    const io = recordedIo();
    {
      using opening = new Opening(io, quiet);
      opening.watch("files seen", 3);
      opening.warn("left out: 1 .bmp");
      opening.warn("left out: 1 .bmp");
      if (seconds > 0) await wait(seconds);
    }
    assert.equal(io.written.err, "left out: 1 .bmp\n");
  }
});

Deno.test("opening: lines are JSON where that is asked for", async () => {
  const io = recordedIo({}, "json");
  {
    using opening = new Opening(io, false);
    opening.watch("heads read", 7, 9);
    opening.warn("left out");
    await untilWritten(io, /"picture":7/);
  }
  const lines = io.written.err.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.slice(0, 2), [
    { message: "left out" },
    { message: "data: reading the sizes of 9 pictures" },
  ]);
  assert.equal(lines[2].picture, 7);
});
