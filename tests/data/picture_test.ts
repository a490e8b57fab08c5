import assert from "node:assert/strict";
import {
  centerCrop,
  copyPlanar,
  decodePicture,
  fromPlanar,
  type Picture,
  withChannels,
} from "../../data/picture.ts";
import { assertInputError } from "../formats/helpers.ts";

/** A picture whose bytes come from a function of row, column and channel. */
function draw(
  height: number,
  width: number,
  channels: number,
  value: (row: number, column: number, channel: number) => number,
): Picture {
  const data = Uint8Array.from({ length: height * width * channels }, (_, index) => {
    const pixel = Math.floor(index / channels);
    return value(Math.floor(pixel / width), pixel % width, index % channels);
  });
  return { height, width, channels, data };
}

/** Catmull-Rom's kernel. */
function cubic(x: number): number {
  x = Math.abs(x);
  if (x < 1) return 1.5 * x ** 3 - 2.5 * x ** 2 + 1;
  return x < 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0;
}

/** Bicubic resampling of a row, widened when it shrinks, edges repeated: plain loops. */
function resampleRow(row: number[], size: number): number[] {
  const scale = row.length / size;
  const stretch = Math.max(1, scale);
  return Array.from({ length: size }, (_, index) => {
    const center = (index + 0.5) * scale - 0.5;
    let sum = 0;
    let weights = 0;
    for (let x = Math.ceil(center - 2 * stretch); x <= center + 2 * stretch; x++) {
      const weight = cubic((x - center) / stretch);
      sum += weight * row[Math.min(row.length - 1, Math.max(0, x))];
      weights += weight;
    }
    return sum / weights;
  });
}

Deno.test("picture: halving averages boxes, odd sizes included", async () => {
  const even = draw(2, 4, 1, (row, column) => 10 * row + column);
  assert.deepEqual([...(await centerCrop(even, 1, "x")).data], [6]); // centre of (1 x 2): column 0
  const odd = draw(5, 5, 1, (row, column) => 10 * row + column);
  const { data } = await centerCrop(odd, 2, "x");
  // Rows and columns 0-2 and 3-4: PIL's box filter gives a middle pixel to the earlier half.
  assert.deepEqual([...data], [11, 14, 36, 39]);
});

Deno.test("picture: the crop is the central square after a bicubic resize", async () => {
  const picture = draw(
    30,
    48,
    3,
    (row, column, channel) => 128 + 100 * Math.sin((row + 2 * column) / 9 + channel),
  );
  const crop = await centerCrop(picture, 20, "x");
  assert.deepEqual([crop.height, crop.width, crop.channels, crop.data.length], [20, 20, 3, 1200]);
  for (let channel = 0; channel < 3; channel++) {
    const rows = Array.from({ length: 30 }, (_, row) =>
      resampleRow(
        Array.from({ length: 48 }, (_, column) => picture.data[(row * 48 + column) * 3 + channel]),
        32,
      ));
    for (let x = 0; x < 20; x++) {
      const column = resampleRow(rows.map((row) => row[x + 6]), 20);
      column.forEach((expected, y) => {
        const got = crop.data[(y * 20 + x) * 3 + channel];
        assert.ok(
          Math.abs(got - expected) <= 2,
          `(${y}, ${x}, ${channel}): ${got}, not ${expected}`,
        );
      });
    }
  }
});

Deno.test("picture: sizes that need nothing, growth, one pixel, grey stays grey", async () => {
  const square = draw(6, 6, 1, (row, column) => 7 * row + column);
  assert.equal(await centerCrop(square, 6, "x"), square);
  const wide = await centerCrop(draw(6, 9, 1, (_, column) => 10 * column), 6, "x");
  assert.deepEqual([...wide.data.subarray(0, 6)], [10, 20, 30, 40, 50, 60]);
  const dot = await centerCrop(draw(1, 1, 3, (_row, _column, channel) => 50 * channel), 4, "x");
  assert.deepEqual([...dot.data.subarray(0, 6)], [0, 50, 100, 0, 50, 100]);
  const grown = await centerCrop(draw(3, 5, 1, () => 200), 8, "x");
  assert.deepEqual([grown.channels, grown.data.length], [1, 64]);
  assert.ok(grown.data.every((value) => value === 200));
  await assertInputError(
    centerCrop(draw(1, 1000, 1, () => 0), 100, "long.png"),
    "long.png",
    /1000 x 1 pixels is too elongated/,
  );
});

Deno.test("picture: channels", () => {
  const grey = draw(1, 2, 1, (_, column) => 100 + column);
  const colour = withChannels(grey, 3);
  assert.deepEqual([...colour.data], [100, 100, 100, 101, 101, 101]);
  assert.deepEqual(withChannels(colour, 1), grey);
  const red = draw(1, 1, 3, (_row, _column, channel) => channel === 0 ? 255 : 0);
  assert.deepEqual([...withChannels(red, 1).data], [76]);
});

Deno.test("picture: planar and interleaved", () => {
  const picture = draw(2, 3, 3, (row, column, channel) => 100 * channel + 10 * row + column);
  const planar = new Uint8Array(20);
  copyPlanar(picture, planar, 1);
  assert.deepEqual([...planar.subarray(1, 8)], [0, 1, 2, 10, 11, 12, 100]);
  assert.deepEqual(fromPlanar(planar.subarray(1, 19), 3, 2, 3), picture);
});

Deno.test("picture: transparency is white, grey becomes colour, garbage is named", async () => {
  const { default: sharp } = await import("sharp");
  const half = Uint8Array.of(255, 0, 0, 255, 0, 0, 0, 0);
  const png = await sharp(half, { raw: { width: 2, height: 1, channels: 4 } }).png().toBuffer();
  assert.deepEqual([...(await decodePicture(png, "x")).data], [255, 0, 0, 255, 255, 255]);
  const grey = await sharp(Uint8Array.of(9), { raw: { width: 1, height: 1, channels: 1 } })
    .toColourspace("b-w").png().toBuffer();
  assert.deepEqual([...(await decodePicture(grey, "x")).data], [9, 9, 9]);
  await assertInputError(decodePicture(Uint8Array.of(1, 2, 3), "a.jpg"), "a.jpg", /decoded/);
  await assertInputError(decodePicture(png.subarray(0, 50), "b.png"), "b.png", /decoded/);
  await assertInputError(decodePicture("/nowhere.png", "/nowhere.png"), "/nowhere.png", /decoded/);
});
