import assert from "node:assert/strict";
import { toByte } from "../../../formats/pictures/bitmap.ts";
import { clipOf, frameOf, framesOf, toClips } from "../../../formats/video/clip.ts";

Deno.test("clip: a batch becomes clips with colours last, one frame after the other", () => {
  // (2 clips, 3 channels, 2 frames, 1 x 1): values that differ in everything.
  const values = Float32Array.from({ length: 12 }, (_, index) => -1 + index / 6);
  const [first, second] = toClips(values, [2, 3, 2, 1, 1], 8);
  const byte = (index: number) => toByte(values[index]);
  assert.deepEqual([...first.data], [0, 2, 4, 1, 3, 5].map(byte));
  assert.deepEqual([...second.data], [6, 8, 10, 7, 9, 11].map(byte));
  assert.deepEqual([...frameOf(second, 1).data], [7, 9, 11].map(byte));
  assert.equal(second.fps, 8);
});

Deno.test("clip: frames and clips are each other's inverse; wrong shapes are the caller's mistake", () => {
  const [clip] = toClips(new Float32Array(3 * 4 * 6).fill(0.5), [1, 3, 4, 2, 3], 12);
  assert.deepEqual(clipOf(framesOf(clip), 12), clip);
  assert.throws(() => toClips(new Float32Array(2), [1, 2, 1, 1, 1], 8), RangeError);
  assert.throws(() => toClips(new Float32Array(2), [1, 3, 1, 1, 1], 8), RangeError);
  assert.throws(() => clipOf([], 8), RangeError);
  const small = { height: 1, width: 1, channels: 1, data: new Uint8Array(1) };
  const wide = { height: 1, width: 2, channels: 1, data: new Uint8Array(2) };
  assert.throws(() => clipOf([small, wide], 8), RangeError);
});
