import assert from "node:assert/strict";
import { amount, describeSeconds, fixed, Progress } from "../../../cli/terminal/progress.ts";
import type { LogFormat } from "../../../cli/terminal/io.ts";
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
  logFormat: LogFormat = "text",
) {
  const io = recordedIo(terminal, logFormat);
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
    "step 0003/1000  ETA 8m19s  2.00 steps/s  loss 0.8123  lr 1.00e-5  12.3 images/s\n" +
      "step 1000/1000  111 steps/s  loss 0.0000\n",
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
    "\r\x1b[Kstep 0001/1000  loss 1.0000" +
      "\r\x1b[Kstep 0003/1000  ETA 50 s  20.0 steps/s  loss 3.0000",
  );
  progress.end();
  assert(written.err.endsWith("loss 3.0000\n"));
});

Deno.test("the live line fits the terminal and is coloured only when that is allowed", () => {
  const narrow = start({ live: true, columns: () => 20 });
  narrow.progress.update(1, { loss: 1, learningRate: 1 });
  assert.equal(narrow.written.err, "\r\x1b[Kstep 0001/1000", "no part of a number");
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
});

Deno.test("the live line shows an average over the logs", () => {
  const io = recordedIo({ live: true });
  const loss = { ...fixed("loss", 2), averageLabel: "smoothed loss" };
  const progress = new Progress(io, { noun: "step", total: 9, columns: { loss } });
  for (const [index, value] of [2, 1, NaN].entries()) {
    io.written.err = "";
    progress.log(index + 1, { loss: value });
    const average = index === 0 ? "2.00" : "1.90";
    assert.match(io.written.err, new RegExp(`loss (${value}|.*00)  smoothed loss ${average}`));
  }
});

Deno.test("plain lines and messages are kept, whatever is shown", () => {
  for (const [quiet, format] of [[true, "text"], [false, "json"], [false, "text"]] as const) {
    const kept: string[] = [];
    const options = { quiet, keep: (line: string) => kept.push(line) };
    const { progress } = start({ live: true }, options, format);
    progress.update(1, { loss: 1 });
    progress.log(2, { loss: 0.5 });
    progress.note("saved");
    assert.match(kept.join("\n"), /^step 0002\/1000 .* {2}loss 0\.5000.*\nsaved$/);
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
  const { progress, time, written } = start({ live: true }, {}, "json");
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

Deno.test("at 80 columns step, ETA, speed and losses are there, whatever else is shown", () => {
  const loss = { ...fixed("loss", 4), averageLabel: "smoothed loss" };
  const more = { gradientNorm: fixed("grad norm", 3), imagesPerSecond: amount("images/s") };
  const io = recordedIo({ live: true });
  const time = { now: 0 };
  const columns = { loss, ...more };
  const options = { noun: "step", total: 100_000, columns, clock: () => time.now };
  const progress = new Progress<keyof typeof columns>(io, options);
  progress.update(1);
  time.now = 3_600_000;
  progress.log(2000, { loss: 0.81234, gradientNorm: 1.5, imagesPerSecond: 12.3 });
  assert.equal(
    io.written.err.split("\r\x1b[K").at(-1),
    "step 002000/100000  ETA 2d01h  0.555 steps/s  loss 0.8123  smoothed loss 0.8123",
  );
});

Deno.test("without a terminal an interval gives lines from the first count to the last", () => {
  const { progress, time, written } = start({}, { interval: 10, total: 4 });
  for (const [now, count] of [[0, 1], [9_000, 2], [10_000, 3], [11_000, 4]]) {
    time.now = now;
    progress.update(count);
  }
  const counts = written.err.trimEnd().split("\n").map((line) => line.split("  ")[0]);
  assert.deepEqual(counts, ["step 1/4", "step 3/4", "step 4/4"]);
  const quiet = start({}, { interval: 10, quiet: true });
  quiet.progress.update(1);
  assert.equal(quiet.written.err, "");
});

Deno.test("a warning is shown and kept however quiet the run is", () => {
  const kept: string[] = [];
  const { progress, written } = start({}, { quiet: true, keep: (line) => kept.push(line) });
  progress.warn("skipped: a.png");
  assert.deepEqual([written.err, kept], ["skipped: a.png\n", ["skipped: a.png"]]);
});
