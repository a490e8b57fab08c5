import assert from "node:assert/strict";
import {
  formatFps,
  planWindows,
  type WindowOptions,
  type Windows,
} from "../../../data/clips/windows.ts";

/** Clips of a source whose frames are shown for so many seconds each. */
function plan(durations: readonly number[], options: WindowOptions): Windows {
  const starts = new Float64Array(durations.length + 1);
  durations.forEach((duration, index) => starts[index + 1] = starts[index] + duration);
  return planWindows({ frames: durations.length, width: 4, height: 4, starts }, options);
}

const even = (frames: number, fps: number) => new Array<number>(frames).fill(1 / fps);

/** Numbers of the frames of each clip. */
const indicesOf = ({ windows }: Windows) =>
  windows.map(({ places }) => places.map(({ index }) => index));

const every = (step: number, count: number, first = 0) =>
  Array.from({ length: count }, (_, index) => first + step * index);

Deno.test("windows: 8 of 24 frames a second are every third, also where times are rounded", () => {
  const options = { frames: 17, fps: 8 };
  const [exact, rounded] = [plan(even(72, 24), options), plan(even(72, 1 / 0.042), options)];
  for (const { fps, isEven, isAssumed, windows: [window] } of [exact, rounded]) {
    assert.ok(Math.abs(fps - 24) < 0.2 && isEven && !isAssumed);
    assert.equal(window.fps, 8);
  }
  assert.deepEqual(indicesOf(exact), [every(3, 17)]);
  assert.deepEqual(indicesOf(rounded), [every(3, 17)]);
  assert.equal(
    exact.windows[0].places[16].start,
    plan(even(72, 24), { frames: 49 }).windows[0].places[48].start,
  );
});

Deno.test("windows: the last frame needed is needed, and one fewer is said to be too short", () => {
  const options = { frames: 17, fps: 8 };
  assert.equal(plan(even(49, 24), options).windows.length, 1);
  const { windows, problem, detail } = plan(even(48, 24), options);
  assert.equal(windows.length, 0);
  assert.equal(problem, "too short");
  assert.equal(detail, "2 s, 17 frames at 8 fps take 2.13 s");
  assert.equal(plan(even(4, 24), { frames: 3, stride: 2 }).detail, "4 frames, 5 needed");
  assert.equal(plan(even(1, 24), { frames: 17 }).detail, "1 frame, 17 needed");
});

Deno.test("windows: where rates do not divide, the frame that is shown is taken", () => {
  const options = { frames: 9, fps: 8 };
  assert.deepEqual(indicesOf(plan(even(26, 25), options)), [[0, 3, 6, 9, 13, 16, 19, 22, 25]]);
  assert.deepEqual(indicesOf(plan(even(9, 8.1), options)), [every(1, 9)]);
});

Deno.test("windows: a slower source is left out, not slowed down; a rounded rate is no slower one", () => {
  const { problem, detail } = plan(even(100, 6), { frames: 5, fps: 8 });
  assert.deepEqual([problem, detail], ["too slow", "6 fps, 8 fps wanted"]);
  assert.equal(plan(even(100, 23.976), { frames: 5, fps: 24 }).windows.length, 20);
});

Deno.test("windows: a frame that is shown for long is repeated, and clips of it alone are left out", () => {
  // A second shown in one piece amid frames of 0.1 s.
  const durations = [...even(4, 10), 1, ...even(4, 10)];
  const uneven = plan(durations, { frames: 4, fps: 10 });
  assert.deepEqual(indicesOf(uneven), [[0, 1, 2, 3], [4, 4, 5, 6]]);
  assert.deepEqual([uneven.still, uneven.isEven], [2, false]);
  const held = plan([0.1, 0.1, 5], { frames: 4, fps: 10 });
  assert.deepEqual(indicesOf(held), [[0, 1, 2, 2]]);
  assert.equal(plan([5], { frames: 4 }).problem, "too short");
  assert.equal(plan([5, 0.1, 0.1], { frames: 4, fps: 10, hop: 100 }).problem, "nothing moves");
  assert.deepEqual(indicesOf(plan([5], { frames: 1 })), [[0]], "one frame need not move");
});

Deno.test("windows: a frame that claims to be shown for years is as quickly passed as any", () => {
  const { windows, still } = plan([...even(4, 10), 3e8, ...even(4, 10)], { frames: 4, fps: 10 });
  assert.equal(windows.length, 2);
  assert.ok(Math.abs(still - 3e9 / 4) <= 1, `${still}`);
  // Overlapping ones too: all that do not show frame 4 alone.
  const close = plan([...even(4, 10), 100, ...even(4, 10)], { frames: 4, fps: 10, hop: 1 });
  assert.deepEqual([close.windows.length, close.still], [8, 997]);
});

Deno.test("windows: stride, hop and the whole of a long source", () => {
  assert.deepEqual(indicesOf(plan(even(9, 10), { frames: 3, stride: 2 })), [[0, 2, 4]]);
  assert.deepEqual(
    indicesOf(plan(even(9, 10), { frames: 3, stride: 2, hop: 1 })),
    [[0, 2, 4], [2, 4, 6], [4, 6, 8]],
  );
  const hour = plan(even(3600 * 25, 25), { frames: 17, fps: 8 });
  assert.equal(hour.windows.length, Math.floor(3600 * 8 / 17));
  const [{ fps }] = plan(even(9, 8), { frames: 3, stride: 2 }).windows;
  assert.equal(fps, 4);
});

Deno.test("windows: a folder of pictures says nothing of time, and neither do times that stand still", () => {
  const head = { frames: 20, width: 4, height: 4 };
  const wanted = planWindows(head, { frames: 5, fps: 8 });
  assert.deepEqual([wanted.isAssumed, wanted.fps, indicesOf(wanted)[0]], [true, 8, every(1, 5)]);
  const told = planWindows(head, { frames: 5, fps: 8, folderFps: 24 });
  assert.deepEqual([told.fps, indicesOf(told)], [24, [every(3, 5)]]);
  assert.equal(planWindows(head, { frames: 5 }).fps, 24);
  const still = planWindows({ ...head, starts: new Float64Array(21) }, { frames: 5 });
  assert.deepEqual([still.isAssumed, still.windows.length], [true, 4]);
});

Deno.test("windows: a rate that is almost none is not said to be 0", () => {
  assert.deepEqual([7.6923, 0.01, 6e-5].map(formatFps), ["7.69 fps", "0.01 fps", "0.00006 fps"]);
});

Deno.test("windows: clips that overlap share their frames, so that memory grows with the source alone", () => {
  const planned = plan(even(1000, 24), { frames: 17, hop: 1 });
  assert.deepEqual(indicesOf(planned), every(1, 984).map((first) => every(1, 17, first)));
  assert.equal(new Set(planned.windows.flatMap(({ places }) => places)).size, 1000);
});
