import assert from "node:assert/strict";
import { amount, describeSeconds, fixed, Progress } from "../../../cli/terminal/progress.ts";
import { recordedIo } from "../support.ts";

const columns = {
  loss: fixed("loss", 4),
  learningRate: fixed("lr", 4),
  imagesPerSecond: amount("images/s"),
};

/** A progress over 1000 steps with a clock that the test moves. */
function start(
  terminal: Parameters<typeof recordedIo>[0] = {},
  options: Partial<ConstructorParameters<typeof Progress>[1]> = {},
) {
  const io = recordedIo(terminal);
  const time = { now: 0 };
  const progress = new Progress(io, {
    noun: "step",
    total: 1000,
    columns,
    clock: () => time.now,
    ...options,
  });
  return { progress, time, written: io.written };
}

Deno.test("without a terminal there is one plain line for each log and none for updates", () => {
  const { progress, time, written } = start();
  progress.update(1, { loss: 1 });
  time.now = 1000;
  progress.update(2, { loss: 0.9 });
  progress.log(3, { loss: 0.81234, learningRate: 1e-5, imagesPerSecond: 12.345 });
  time.now = 9000;
  progress.log(1000, { loss: 0 });
  progress.end();
  assert.equal(
    written.err,
    "step 0003/1000  loss 0.8123  lr 1.00e-5  12.3 images/s  2.00 steps/s  ETA 8m19s\n" +
      "step 1000/1000  loss 0.0000  111 steps/s\n",
  );
  assert.equal(written.out, "");
});

Deno.test("on a terminal one line is redrawn, not more often than ten times a second", () => {
  const { progress, time, written } = start({ live: true });
  progress.update(1, { loss: 1 });
  time.now = 99;
  progress.update(2, { loss: 2 });
  time.now = 100;
  progress.update(3, { loss: 3 });
  assert.equal(
    written.err,
    "\r\x1b[Kstep 0001/1000  loss 1.0000\r\x1b[Kstep 0003/1000  loss 3.0000  ETA 50 s",
  );
  progress.end();
  assert(written.err.endsWith("ETA 50 s\n"));
});

Deno.test("the live line fits the terminal and is coloured only when that is allowed", () => {
  const narrow = start({ live: true, columns: () => 20 });
  narrow.progress.update(1, { loss: 1, learningRate: 1 });
  assert.equal(narrow.written.err, "\r\x1b[Kstep 0001/1000  los");
  const coloured = start({ live: true, colour: true });
  coloured.progress.update(1);
  assert.equal(coloured.written.err, "\r\x1b[K\x1b[36mstep 0001/1000\x1b[0m");
});

Deno.test("a note stands above the live line", () => {
  const { progress, written } = start({ live: true });
  progress.update(1);
  progress.note("checkpoint saved");
  assert.equal(
    written.err,
    "\r\x1b[Kstep 0001/1000\r\x1b[Kcheckpoint saved\n\r\x1b[Kstep 0001/1000",
  );
  progress.clear();
  assert(written.err.endsWith("\r\x1b[K"));
});

Deno.test("the live line shows an average over the logs", () => {
  const io = recordedIo({ live: true });
  const loss = { ...fixed("loss", 2), averageLabel: "ema loss" };
  const progress = new Progress(io, { noun: "step", total: 9, columns: { loss } });
  for (const [index, value] of [2, 1, NaN].entries()) {
    io.written.err = "";
    progress.log(index + 1, { loss: value });
    const average = index === 0 ? "2.00" : "1.90";
    assert.match(io.written.err, new RegExp(`loss (${value}|.*00)  ema loss ${average}`));
  }
});

Deno.test("plain lines and messages are kept, whatever is shown", () => {
  for (const options of [{ quiet: true }, { logFormat: "json" as const }, {}]) {
    const kept: string[] = [];
    const { progress } = start({ live: true }, { ...options, keep: (line) => kept.push(line) });
    progress.update(1, { loss: 1 });
    progress.log(2, { loss: 0.5 });
    progress.note("saved");
    assert.match(kept.join("\n"), /^step 0002\/1000 {2}loss 0\.5000.*\nsaved$/);
  }
});

Deno.test("--quiet prints nothing", () => {
  const { progress, written } = start({ live: true }, { quiet: true });
  progress.update(1);
  progress.log(2, { loss: 1 });
  progress.note("saved");
  progress.end();
  assert.equal(written.err, "");
});

Deno.test("the json format is one object a line, on terminals too", () => {
  const { progress, time, written } = start({ live: true }, { logFormat: "json" });
  time.now = 1500;
  progress.update(1);
  progress.log(2, { loss: 0.5, imagesPerSecond: 3 });
  progress.note("saved");
  const lines = written.err.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines, [
    { step: 2, loss: 0.5, imagesPerSecond: 3, seconds: 1.5 },
    { message: "saved" },
  ]);
});

Deno.test("the pace counts neither the first step nor those before a resume", () => {
  const { progress, time } = start({}, { start: 500 });
  progress.update(500);
  time.now = 60_000; // compiling
  progress.update(501);
  assert.equal(progress.remainingSeconds(501), undefined);
  time.now = 62_000;
  assert.equal(progress.remainingSeconds(509), 122.75);
});

Deno.test("time spans are short and never show 60 seconds", () => {
  const cases: [number, string][] = [
    [0, "0.0 s"],
    [9.94, "9.9 s"],
    [9.96, "10 s"],
    [59.6, "1m00s"],
    [185, "3m05s"],
    [3599.7, "1h00m"],
    [7620, "2h07m"],
    [276_000, "3d04h"],
    [Infinity, "unknown"],
    [NaN, "unknown"],
  ];
  for (const [seconds, expected] of cases) assert.equal(describeSeconds(seconds), expected);
});

Deno.test("numbers that are not finite are shown as they are", () => {
  assert.equal(fixed("loss", 4).format(NaN), "NaN");
  assert.equal(fixed("loss", 4).format(-Infinity), "-Infinity");
  assert.equal(fixed("loss", 4).format(1e9), "1.00e+9");
  assert.equal(amount("images/s").format(1234.5), "1235");
});
