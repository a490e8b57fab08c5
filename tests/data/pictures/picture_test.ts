import assert from "node:assert/strict";
import {
  centerCrop,
  copyPlanar,
  decodePicture,
  fromPlanar,
  type Picture,
  withChannels,
} from "../../../data/pictures/picture.ts";
import { resize, triangleFilter } from "../../../data/pictures/resample.ts";
import { assertInputError } from "../../formats/helpers.ts";

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

Deno.test("picture: halving averages boxes, odd sizes included", () => {
  const even = draw(2, 4, 1, (row, column) => 10 * row + column);
  assert.deepEqual([...(centerCrop(even, 1, "x")).data], [6]); // centre of (1 x 2): column 0
  const odd = draw(5, 5, 1, (row, column) => 10 * row + column);
  const { data } = centerCrop(odd, 2, "x");
  // Rows and columns 0-2 and 3-4: PIL's box filter gives a middle pixel to the earlier half.
  assert.deepEqual([...data], [11, 14, 36, 39]);
});

/**
 * Centre crops made with Pillow 12.3.0: `resize(BOX)` to half while the short side is at least twice
 * the size, `resize(BICUBIC)`, `crop`. By height, width, channels and size; the pictures are those of
 * the test below.
 */
const pillowCrops: [[number, number, number, number], string][] = [
  [
    [9, 200, 3, 7],
    "V5PhRoPIN3KuJmOfC1KPXUN+yjJvhMKOdLCmZaHwVZDaRIC9MHGtGGCduOIZo+YtlNRihMRUc7LqYp/hU4/PzDhd3x9IzYwwtd0ioso1ktsegsqdI0uLszp6nCtr3RVb5C5GyrI2sZonQH66I26pD12aZ06KbDp6ox9p8g1Zb6zxX5vYUIzHNHu4HGunL1uYRkuH",
  ],
  [
    [101, 67, 3, 6],
    "gH+Cg4CBgn+BgYV/goKAfoOGgoSAgIKCgIOCg36CgYCEhoN7f36Dg4R/gH+AfoOFg4N/fYCFg4N9gYCDgYKAgoF/gIODhH1+f4KGg3+AgICBhIV+goGBf4ODhoF+foOCgIOAgH2FgoCDhH+A",
  ],
  [
    [5, 9, 1, 8],
    "+Oni2dHIwbnGtaaclYyFfXBsa2JZUUlBElrY08S7tKwkbOrl08S8tZKOjYR6bWRdWEo5K1W5vK0bEwoASP//9Q==",
  ],
  [
    [37, 53, 1, 19],
    "saiLcm9WZqmDZGuxk3pmYFurjY15cVukontXlJWAgXZiX6iHXYhqUZ+XbVGOi4yCdFOVo3xXhJSOr4hjcJx9h3xlbbaXbmehhYiDcWGajYWNeltpsIllY5aFk3xmXbGFl4ZwU6Wngl6NjH2OeFtYrI1mgmVMoZx1WoaBkolwT5SngmCAinm0kWxxknSNhGZGkqB2bJd7i42EZWyEgZd8Wmazj3BnjH6ehWVaind7knJRpaqHaIeBd5l8WlatkZmJaUuhn35jgHWWlHVPk6qHanxZd7SUdXOHaZKNaEeQoX9xjXCLrIpwbnl8ooFcZbKReGyBdqaNaG6BbHadd1SiqYpzgndvooJcVqtnn5FuTZ6dhm56a5iee1GQqYp1il12spF/d31flZVsS42eh3F0Z3OnjH1xbnarjGFlro6AdHlbh5qGe3xkcaV9V2GiioGAbmipimVYZk2alXVUoKKOim9QkJ+AWZOskg==",
  ],
];

/** The picture that Pillow was given. */
function mixed(height: number, width: number, channels: number): Picture {
  return draw(height, width, channels, (row, column, channel) => {
    const mixed = BigInt(row * width + column) * 2654435761n + BigInt(channel * 40503);
    return Number((mixed >> 7n) & 255n);
  });
}

/** Asserts that bytes are Pillow's, given in base 64. */
function assertPillow(data: Uint8Array, expected: string): void {
  const golden = Uint8Array.from(atob(expected), (character) => character.charCodeAt(0));
  assert.equal(data.length, golden.length);
  // Pillow's weights have 22 bits: one in some hundred bytes may round the other way.
  const off = data.map((value, index) => Math.abs(value - golden[index]));
  assert.ok(Math.max(...off) <= 1 && off.filter(Boolean).length * 100 <= off.length);
}

Deno.test("picture: the centre crop is Pillow's", () => {
  for (const [[height, width, channels, size], expected] of pillowCrops) {
    assertPillow(centerCrop(mixed(height, width, channels), size, "x").data, expected);
  }
});

/** `resize((width, height), BILINEAR)` of Pillow 12.3.0, by size and channels before, size after. */
const pillowTriangles: [[number, number, number, number, number], string][] = [
  [
    [13, 31, 3, 4, 12],
    "mWOejXKBbKNhcIh1oWihhXGDZZ5jYYFznWOciHx8aZtgf4eHlV6KeJhtYJNeknKYk2OPcpJuYo50i22Zk2uJc6NpaY5toHGifYlzYJxgc3yGmWWXe5V3YpVklXeZnGGSfJZyYJhfiHeXmVqWaqNhc4mLmmihhnuEZp9kdoF9pGGciXh8aKFcZ4R6nGOehWCC",
  ],
  [
    [3, 5, 1, 8, 16],
    "AABEkNzw7Ojk4N3Z1dHNzQwMTJPa7Ojk4NzZ1dHNyclUVHmiy9TQzMjEwb25tbGxnJymsby9ubWxraqmop6amrS0sa2ppaGdmZWSjoqGgoKdnZqWko6KhoJ+enZybmtrhYWCfnp2cm5qZmJeWlZTU4GBfnp2cm5qZmJeWlZST08=",
  ],
  [
    [40, 9, 1, 8, 8],
    "YHB3j5SWkYaBjYN8eXWFgnB0dIGKj4GEeY6Hh392Z3R6dXJ4hpCCjnKPjJKEfXN3hoF6eWt4eI5xi42ekIJ0cQ==",
  ],
  [[1, 7, 3, 4, 4], "czVy5SJezj1HuuszczVy5SJezj1HuuszczVy5SJezj1HuuszczVy5SJezj1Huusz"],
];

Deno.test("picture: resizing with the triangle filter is Pillow's, up and down", () => {
  for (const [[height, width, channels, rows, columns], expected] of pillowTriangles) {
    const picture = resize(mixed(height, width, channels), triangleFilter, rows, columns);
    assert.deepEqual([picture.height, picture.width], [rows, columns]);
    assertPillow(picture.data, expected);
  }
  const same = mixed(3, 4, 1);
  assert.equal(resize(same, triangleFilter, 3, 4), same);
});

Deno.test("picture: sizes that need nothing, growth, one pixel, grey stays grey", () => {
  const square = draw(6, 6, 1, (row, column) => 7 * row + column);
  assert.equal(centerCrop(square, 6, "x"), square);
  const wide = centerCrop(draw(6, 9, 1, (_, column) => 10 * column), 6, "x");
  assert.deepEqual([...wide.data.subarray(0, 6)], [10, 20, 30, 40, 50, 60]);
  const dot = centerCrop(draw(1, 1, 3, (_row, _column, channel) => 50 * channel), 4, "x");
  assert.deepEqual([...dot.data.subarray(0, 6)], [0, 50, 100, 0, 50, 100]);
  const grown = centerCrop(draw(3, 5, 1, () => 200), 8, "x");
  assert.deepEqual([grown.channels, grown.data.length], [1, 64]);
  assert.ok(grown.data.every((value) => value === 200));
  const long = draw(1, 1000, 1, () => 0);
  assert.throws(() => centerCrop(long, 100, "long.png"), {
    name: "InputError",
    message: /^long.png: a picture of 1000 x 1 pixels is too elongated/,
  });
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
