import assert from "node:assert/strict";
import { InputError } from "../../../base/errors.ts";
import { encodeWebp, frameDelays, readWebpComment } from "../../../formats/video/animated_webp.ts";
import { encodeMp4 } from "../../../formats/video/mp4_writer.ts";
import { differenceOf, movingSpot } from "./clips.ts";

/** All frames of a WebP file below each other, and how long each is shown. */
async function decode(webp: Uint8Array) {
  const { default: sharp } = await import("sharp");
  const picture = sharp(webp, { animated: true });
  const { delay, pages } = await picture.metadata();
  return {
    delay,
    pages,
    data: new Uint8Array(await picture.removeAlpha().toColourspace("srgb").raw().toBuffer()),
  };
}

Deno.test("WebP: every pixel and every time comes back, and so does the comment", async () => {
  const clip = movingSpot(4, 12, 10, 3, 8);
  const comment = JSON.stringify({ class: '"a" <&> é', seed: 3 });
  const webp = await encodeWebp(clip, { comment });
  const { delay, pages, data } = await decode(webp);
  assert.equal(pages, 4);
  assert.deepEqual(delay, [125, 125, 125, 125]);
  assert.deepEqual(data, clip.data);
  assert.equal(await readWebpComment(webp), comment);
  assert.equal(await readWebpComment(await encodeWebp(clip)), undefined);
});

Deno.test("WebP: with a quality it is smaller and nearly the same; grey is grey", async () => {
  const clip = movingSpot(4, 48, 48, 1);
  const [lossless, lossy] = [await encodeWebp(clip), await encodeWebp(clip, { quality: 80 })];
  assert.ok(lossy.length < lossless.length, `${lossy.length} ${lossless.length}`);
  const expected = Uint8Array.from(
    { length: 3 * clip.data.length },
    (_, i) => clip.data[Math.floor(i / 3)],
  );
  assert.deepEqual((await decode(lossless)).data, expected);
  assert.ok(differenceOf((await decode(lossy)).data, expected).mean < 3);
});

Deno.test("WebP: whole milliseconds do not drift from the frame rate", () => {
  const delays = frameDelays({ frames: 24, fps: 24 });
  assert.deepEqual([...new Set(delays)].sort(), [41, 42]);
  assert.equal(delays.reduce((sum, delay) => sum + delay, 0), 1000);
});

Deno.test("WebP and MP4: a rate so low that they cannot say it is refused by the lowest", async () => {
  const slow = (fps: number) => movingSpot(2, 16, 16, 3, fps);
  await assert.rejects(encodeWebp(slow(0.01)), /a WebP .* 65\.535 s, .* 0\.01 .* rate is 0\.015/);
  const { delay } = await decode(await encodeWebp(slow(0.0155)));
  assert.deepEqual(delay, [64516, 64516]);
  await assert.rejects(encodeMp4(slow(1e-9)), /an MP4 .* 65536 s, .* 1e-9 .* rate is 0\.000015/);
  await assert.rejects(encodeMp4(slow(0)), InputError);
  await encodeMp4(slow(0.000016));
});
