import assert from "node:assert/strict";
import {
  motionLabel,
  motionNames,
  movingPictures,
  openMovingPictures,
} from "../../../data/clips/moving_pictures.ts";
import { MemoryDataset } from "../../../data/memory_dataset.ts";
import { frameOf } from "../../../formats/video/clip.ts";

/** White squares. */
const squares = (count: number) =>
  new MemoryDataset({
    name: "squares",
    channels: 1,
    height: 16,
    width: 16,
    classNames: ["square"],
    pixels: new Uint8Array(count * 256).fill(255),
    labels: new Uint8Array(count),
  });

/** The first and last column and row that are not black. */
function boundsOf(frame: ReturnType<typeof frameOf>) {
  const lit = [...frame.data.keys()].filter((index) => frame.data[index] > 0);
  const columns = lit.map((index) => index % frame.width);
  const rows = lit.map((index) => Math.floor(index / frame.width));
  return [Math.min(...columns), Math.max(...columns), Math.min(...rows), Math.max(...rows)];
}

Deno.test("moving pictures: each goes its way in its direction, whole, at an even speed", async () => {
  const set = movingPictures(squares(8), { frames: 5, size: 32 });
  const ways = [6, 12, -6, -12].map((way) => [way, 0]).concat(
    [6, 12, -6, -12].map((way) => [0, way]),
  );
  for (const [index, [x, y]] of ways.entries()) {
    const clip = await set.decode(index);
    const light = clip.data.reduce((sum, byte) => sum + byte, 0) / 5;
    const centers = Array.from({ length: 5 }, (_, number) => {
      const frame = frameOf(clip, number);
      const sum = frame.data.reduce((total, byte) => total + byte, 0);
      assert.ok(Math.abs(sum - light) < 0.01 * light, "it is whole in every frame");
      const [left, right, top, bottom] = boundsOf(frame);
      assert.ok(right - left <= 17 && bottom - top <= 17, "it keeps its size");
      const weighted = (place: (pixel: number) => number) =>
        frame.data.reduce((total, byte, pixel) => total + byte * place(pixel), 0) / sum;
      return [weighted((pixel) => pixel % 32), weighted((pixel) => Math.floor(pixel / 32))];
    });
    centers.forEach(([column, row], number) => {
      assert.ok(Math.abs(column - centers[0][0] - x * number / 4) < 0.05, `${index}: ${column}`);
      assert.ok(Math.abs(row - centers[0][1] - y * number / 4) < 0.05, `${index}: ${row}`);
    });
    assert.equal(set.classNames[set.label(index)], motionNames[index]);
  }
});

Deno.test("moving pictures: the shipped ones are measured to be what they are called", async () => {
  const folder = "data/samples/fashion";
  const set = await openMovingPictures(folder);
  assert.deepEqual([set.length, set.frames, set.height, set.width], [4000, 17, 32, 32]);
  for (let index = 0; index < set.length; index += 41) {
    assert.equal(motionLabel(await set.decode(index)), set.label(index), set.clipName(index));
  }
  const colour = await openMovingPictures(folder, { channels: 3, frames: 9, size: 64 });
  for (const index of [0, 1, 1002, 2003, 3004]) {
    assert.equal(motionLabel(await colour.decode(index)), colour.label(index));
  }
});

Deno.test("moving pictures: places follow from the seed; parts share nothing", async () => {
  const [set, same, other] = [{}, {}, { seed: 1 }].map((options) =>
    movingPictures(squares(16), options)
  );
  assert.deepEqual(await set.decode(5), await same.decode(5));
  assert.equal(set.fingerprint, same.fingerprint);
  assert.notDeepEqual(await set.decode(5), await other.decode(5));
  assert.notEqual(set.fingerprint, other.fingerprint);
  assert.notDeepEqual(await set.decode(5), await set.decode(13), "same class, other place");
  assert.throws(
    () => movingPictures(squares(16), { split: "test" }),
    /moving pictures: have no separate test part/,
  );
  const parts = (["train", "test"] as const).map((split) =>
    movingPictures(squares(16), { split, holdout: 0.5 })
  );
  const names = parts.map((part) =>
    Array.from({ length: part.length }, (_, i) => part.clipName(i))
  );
  assert.deepEqual(names.flat().length, 16);
  assert.equal(new Set(names.flat()).size, 16);
  assert.throws(() => movingPictures(squares(1), { frames: 1 }), RangeError);
  assert.throws(() => movingPictures(squares(1), { size: 7 }), RangeError);
});
