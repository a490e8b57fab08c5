import assert from "node:assert/strict";
import { encodePng, svgToPng, toBitmaps, toByte } from "../../../formats/pictures/bitmap.ts";
import { decodePng } from "../pictures.ts";

Deno.test("bytes are clamp(127.5 y + 128, 0, 255), truncated, in float32", () => {
  const expected = [
    [-1, 0],
    [-0.999, 0],
    [-0.996, 1],
    [0, 128],
    [0.5, 191],
    [0.99, 254],
    [1, 255],
    [-7, 0],
    [7, 255],
    [Infinity, 255],
    [-Infinity, 0],
    [NaN, 0],
  ];
  for (const [value, byte] of expected) assert.equal(toByte(value), byte, `${value}`);
});

Deno.test("every byte survives the way to [-1, 1] and back", () => {
  for (let byte = 0; byte < 256; byte++) assert.equal(toByte(byte / 127.5 - 1), byte);
});

Deno.test("a batch becomes pictures with the channels of a pixel together", () => {
  // Two pictures of 3 channels, 1 row, 2 columns.
  const values = Float32Array.of(-1, 0, 1, -1, 0, 1, 1, 1, 0, 0, -1, -1);
  const [first, second] = toBitmaps(values, [2, 3, 1, 2]);
  assert.deepEqual(first, {
    height: 1,
    width: 2,
    channels: 3,
    data: Uint8Array.of(0, 255, 128, 128, 0, 255),
  });
  assert.deepEqual([...second.data], [255, 128, 0, 255, 128, 0]);
});

Deno.test("a batch of another shape is refused with both sizes", () => {
  assert.throws(() => toBitmaps(new Float32Array(8), [1, 2, 2, 2]), /1 or 3 channels.* 2/);
  assert.throws(() => toBitmaps(new Float32Array(8), [3, 1, 2, 2]), /\(3, 1, 2, 2\).* 8 values/);
});

for (const channels of [1, 3]) {
  Deno.test(`PNG keeps the pixels of ${channels} channels`, async () => {
    const data = Uint8Array.from({ length: 5 * 7 * channels }, (_, index) => (index * 37) % 256);
    const bitmap = { height: 5, width: 7, channels, data };
    assert.deepEqual(await decodePng(await encodePng(bitmap)), bitmap);
  });
}

Deno.test("SVG is drawn in the size asked for, on white", async () => {
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20" viewBox="0 0 30 20">` +
    `<rect width="15" height="20"/></svg>`;
  for (const scale of [1, 2]) {
    const { height, width, channels, data } = await decodePng(await svgToPng(svg, scale));
    assert.deepEqual([height, width], [20 * scale, 30 * scale]);
    assert.equal(data[0], 0);
    assert.equal(data[(width - 1) * channels], 255);
  }
});
