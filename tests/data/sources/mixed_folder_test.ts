import assert from "node:assert/strict";
import { join } from "@std/path";
import { openPictureSet } from "../../../data/open.ts";
import { readPictureSize } from "../../../data/pictures/picture.ts";
import type { PictureSet } from "../../../data/picture_set.ts";
import { assertInputError, withFolder } from "../../formats/helpers.ts";
import { damagePixels, paint } from "../helpers.ts";

/** What a set says of its pictures. */
function describe(set: PictureSet): string[] {
  return Array.from({ length: set.length }, (_, index) => {
    const { width, height } = set.size(index);
    return `${set.pictureName(index)} ${set.classNames[set.label(index)]} ${width}x${height}`;
  });
}

Deno.test("mixed folder: sizes are kept, files without a picture's head are skipped", async () => {
  await withFolder(async (folder) => {
    await paint(join(folder, "dogs/b.png"), 10);
    await paint(join(folder, "dogs/a.webp"), 20, 31, 8);
    await paint(join(folder, "cats/deep/c.PNG"), 30, 3, 50);
    await paint(join(folder, "cats/z.png"), 40, 1, 1);
    await Deno.writeTextFile(join(folder, "cats/broken.jpg"), "not a picture");
    await Deno.writeTextFile(join(folder, "cats/readme.txt"), "ignored");
    const warnings: string[] = [];
    const set = await openPictureSet(folder, { warn: (line) => warnings.push(line) });
    assert.deepEqual(set.classNames, ["cats", "dogs"]);
    assert.deepEqual(describe(set), [
      "cats/z.png cats 1x1",
      "cats/deep/c.PNG cats 3x50",
      "dogs/a.webp dogs 31x8",
      "dogs/b.png dogs 6x4",
    ]);
    assert.deepEqual(warnings.length, 2);
    assert.match(warnings[0], /^skipped: .*broken.jpg: cannot be decoded/);
    assert.match(warnings[1], /skipped 1 of 5 pictures$/);
    const picture = await set.decode(1);
    assert.deepEqual([picture.width, picture.height, picture.channels], [3, 50, 3]);
    assert.ok(picture.data.every((byte) => byte === 30));
    const grey = await (await openPictureSet(folder, { channels: 1, warn: () => {} })).decode(2);
    assert.deepEqual([grey.channels, grey.data.length, grey.data[0]], [1, 31 * 8, 20]);
    assert.equal(set.caption, undefined);
  });
});

Deno.test("mixed folder: sizes are upright as the EXIF tag says", async () => {
  const { default: sharp } = await import("sharp");
  await withFolder(async (folder) => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const create = { width: 7, height: 5, channels: 3 as const, background: "#112233" };
      const bytes = await sharp({ create }).jpeg().withMetadata({ orientation }).toBuffer();
      await Deno.writeFile(join(folder, `${orientation}.jpg`), bytes);
    }
    const set = await openPictureSet(folder);
    for (let index = 0; index < 8; index++) {
      const { width, height } = await set.decode(index);
      assert.deepEqual(set.size(index), { width, height });
      assert.deepEqual([width, height], index < 4 ? [7, 5] : [5, 7]);
    }
  });
});

Deno.test("mixed folder: a picture that claims too many pixels is refused by its head", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "bomb.svg");
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="13000" height="13000"></svg>';
    await Deno.writeTextFile(path, svg);
    await assertInputError(readPictureSize(path, path), path, /exceeds pixel limit of 134217728/);
    await assertInputError(
      openPictureSet(folder, { warn: () => {} }),
      folder,
      /none of its 1 pictures can be decoded/,
    );
  });
});

Deno.test("mixed folder: damage behind the head shows when a picture is decoded", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a.png");
    await paint(path, 1, 40, 40);
    await damagePixels(path);
    const set = await openPictureSet(folder);
    assert.equal(set.length, 1);
    await assertInputError(set.decode(0), path, /cannot be decoded/);
  });
});

Deno.test("mixed folder: no pictures, no folder", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(join(folder, "cats"));
    await assertInputError(openPictureSet(folder), folder, /no pictures \(\.jpg/);
    await assertInputError(openPictureSet(folder), folder, /no pictures/);
    const nowhere = join(folder, "nowhere");
    await assertInputError(openPictureSet(nowhere), nowhere, /no such file or folder/);
  });
});

Deno.test("mixed folder: the fingerprint tells contents, channels and captions apart", async () => {
  await withFolder(async (folder) => {
    await paint(join(folder, "a/1.png"), 1);
    const fingerprint = async (options = {}) => (await openPictureSet(folder, options)).fingerprint;
    const first = await fingerprint();
    assert.equal(await fingerprint(), first);
    const withCaptions = await fingerprint({ captions: true });
    const others = [await fingerprint({ channels: 1 }), withCaptions];
    await Deno.writeTextFile(join(folder, "a/1.txt"), "another caption");
    others.push(await fingerprint({ captions: true }));
    assert.equal(await fingerprint(), first);
    await paint(join(folder, "a/2.png"), 1);
    others.push(await fingerprint());
    assert.equal(new Set([first, ...others]).size, 5);
  });
});

Deno.test("mixed folder: captions from text files or names", async () => {
  await withFolder(async (folder) => {
    await paint(join(folder, "Wild_animals/brown_bear-02.png"), 1);
    await paint(join(folder, "Wild_animals/noted.png"), 1);
    await paint(join(folder, "Wild_animals/wild7.png"), 1);
    await Deno.writeTextFile(join(folder, "Wild_animals/noted.txt"), " A fox at dusk. \nmore\n");
    const set = await openPictureSet(folder, { captions: true });
    assert.deepEqual([0, 1, 2].map((index) => set.caption!(index)), [
      "wild animals: brown bear",
      "A fox at dusk.",
      "wild animals",
    ]);
  });
});

Deno.test("mixed folder: captions in UTF-16 are read, those in other encodings are named", async () => {
  await withFolder(async (folder) => {
    const texts: Record<string, number[]> = {
      "1": [0xef, 0xbb, 0xbf, ...new TextEncoder().encode("a caf\u00e9\r\n")],
      "2": [0xff, 0xfe, ...[..."a red cat"].flatMap((letter) => [letter.charCodeAt(0), 0])],
      "3": [0xfe, 0xff, ...[..."a red cat"].flatMap((letter) => [0, letter.charCodeAt(0)])],
      "4": [..."the dog\x92s caf\xe9"].map((letter) => letter.charCodeAt(0)), // Windows-1252
      "5": [0xba, 0xec, 0xc9, 0xab, 0xb5, 0xc4, 0xc3, 0xa8], // GBK
      "6": [..."no mark"].flatMap((letter) => [letter.charCodeAt(0), 0]),
    };
    for (const [name, bytes] of Object.entries(texts)) {
      await paint(join(folder, `pets/${name}.png`), 1);
      await Deno.writeFile(join(folder, `pets/${name}.txt`), Uint8Array.from(bytes));
    }
    const warnings: string[] = [];
    const warn = (line: string) => warnings.push(line.replaceAll(folder, "SET"));
    const set = await openPictureSet(folder, { captions: true, warn });
    assert.deepEqual(Array.from({ length: 6 }, (_, index) => set.caption!(index)), [
      "a caf\u00e9",
      "a red cat",
      "a red cat",
      ...["pets", "pets", "pets"],
    ]);
    assert.deepEqual(warnings.sort(), [
      "SET: skipped 3 of 6 captions; class and name of the file are their captions instead",
      ...[4, 5, 6].map((name) => `skipped: SET/pets/${name}.txt: not valid UTF-8`),
    ]);
  });
});

Deno.test("mixed folder: a picture that has changed its size is refused", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "a.png");
    await paint(path, 1, 8, 6);
    const set = await openPictureSet(folder);
    await paint(path, 2, 6, 8);
    await assertInputError(
      set.decode(0),
      path,
      /has changed: 6 x 8 pixels, 8 x 6 when the set was opened/,
    );
  });
});

Deno.test("picture sets: parts are entered, sets in memory keep their size", async () => {
  await withFolder(async (folder) => {
    await paint(join(folder, "train/cats/a.png"), 1, 5, 9);
    await paint(join(folder, "val/cats/b.png"), 2, 9, 5);
    assert.deepEqual(
      describe(await openPictureSet(folder)),
      ["a.png cats 5x9"].map((line) => `cats/${line}`),
    );
    const test = await openPictureSet(folder, { split: "test", holdout: 0.5 });
    assert.deepEqual(describe(test), ["cats/b.png cats 9x5"]);
    const whole = join(folder, "train");
    await assertInputError(openPictureSet(whole, { split: "test" }), whole, /no separate test/);
    await assertInputError(openPictureSet(whole, { channels: 2 }), "2 channels", /1 .* or 3/);
  });
  const fashion = await openPictureSet("data/samples/fashion");
  assert.deepEqual([fashion.length, fashion.channels, fashion.size(7)], [
    4000,
    1,
    { width: 28, height: 28 },
  ]);
  const picture = await fashion.decode(0);
  assert.deepEqual(fashion.source(0), picture);
  assert.equal(picture.data.length, 784);
  const colour = await openPictureSet("data/samples/fashion", { channels: 3, holdout: 0.25 });
  assert.deepEqual([colour.length, colour.channels], [3000, 3]);
  assert.equal(fashion.caption!(399), "T-shirt/top");
});

Deno.test("picture sets: labels count in given classes", async () => {
  await withFolder(async (folder) => {
    await paint(join(folder, "cats/a.png"), 1, 5, 9);
    await paint(join(folder, "dogs/b.png"), 2, 9, 5);
    const classNames = ["birds", "cats", "crows", "dogs"];
    const set = await openPictureSet(folder, { classNames, captions: true });
    assert.deepEqual([set.label(0), set.label(1)], [1, 3]);
    assert.equal(set.classNames, classNames);
    assert.equal(set.caption!(1), "dogs: b");
    assert.deepEqual(await set.decode(1), await (await openPictureSet(folder)).decode(1));
    await assertInputError(
      openPictureSet(folder, { classNames: ["birds", "cats", "doves"] }),
      folder,
      /class "dogs" is none of the 3 known; did you mean "doves" or "cats"/,
    );
  });
});
