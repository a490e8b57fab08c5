import assert from "node:assert/strict";
import { join } from "@std/path";
import { pictureLength } from "../../../data/dataset.ts";
import { openDataset } from "../../../data/open.ts";
import { assertInputError, withFolder } from "../../formats/helpers.ts";
import { paint } from "../helpers.ts";

/** Two classes; one broken file among the cats. */
async function makePets(folder: string): Promise<void> {
  await paint(join(folder, "dogs/b.png"), 10);
  await paint(join(folder, "dogs/a.webp"), 20, 31, 8);
  await paint(join(folder, "cats/deep/er/c.PNG"), 30, 3, 50);
  await paint(join(folder, "cats/z.png"), 40, 1, 1);
  await Deno.writeTextFile(join(folder, "cats/broken.jpg"), "not a picture");
  await Deno.writeTextFile(join(folder, "cats/readme.txt"), "ignored");
  await paint(join(folder, "cats/.hidden.png"), 50);
}

/** The first byte of every picture, from first to last. */
async function greys(dataset: Awaited<ReturnType<typeof openDataset>>): Promise<number[]> {
  const length = pictureLength(dataset);
  const out = new Float32Array(dataset.length * length);
  await dataset.read(Array.from({ length: dataset.length }, (_, index) => index), out);
  return Array.from(
    { length: dataset.length },
    (_, index) => Math.round((out[index * length] + 1) * 127.5),
  );
}

Deno.test("image folder: classes are sorted sub-folders, broken files are skipped and counted", async () => {
  await withFolder(async (folder) => {
    await makePets(folder);
    const warnings: string[] = [];
    const warn = (line: string) => warnings.push(line);
    const dataset = await openDataset(folder, { imageSize: 4, channels: 1, warn });
    assert.deepEqual(dataset.classNames, ["cats", "dogs"]);
    assert.deepEqual([dataset.length, dataset.channels, dataset.height, dataset.width], [
      4,
      1,
      4,
      4,
    ]);
    assert.deepEqual([0, 1, 2, 3].map((index) => dataset.label(index)), [0, 0, 1, 1]);
    assert.deepEqual(await greys(dataset), [40, 30, 20, 10]);
    assert.equal(warnings.length, 2);
    assert.match(warnings[0], /^skipped: .*broken.jpg: cannot be decoded/);
    assert.match(warnings[1], /skipped 1 of 5 pictures$/);
  });
});

Deno.test("image folder: over the memory budget pictures are decoded when read", async () => {
  await withFolder(async (folder) => {
    await makePets(folder);
    const warnings: string[] = [];
    const warn = (line: string) => warnings.push(line);
    const options = { imageSize: 4, memoryBudget: 10, warn };
    const dataset = await openDataset(folder, options);
    assert.deepEqual([dataset.length, dataset.channels], [5, 3]);
    assert.equal(warnings.length, 0);
    // The broken picture is replaced by the next one of its class.
    assert.deepEqual(await greys(dataset), [40, 40, 30, 20, 10]);
    assert.deepEqual(await greys(dataset), [40, 40, 30, 20, 10]);
    assert.equal(warnings.length, 1);
    assert.equal((await openDataset(folder, options)).fingerprint, dataset.fingerprint);
    await paint(join(folder, "dogs/new.png"), 1);
    assert.notEqual((await openDataset(folder, options)).fingerprint, dataset.fingerprint);
  });
});

Deno.test("image folder: nothing left is an error in both ways", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(join(folder, "cats"));
    for (let index = 0; index < 7; index++) {
      await Deno.writeTextFile(join(folder, `cats/${index}.png`), "no");
    }
    const warnings: string[] = [];
    const warn = (line: string) => warnings.push(line);
    const eager = openDataset(folder, { imageSize: 4, warn });
    await assertInputError(eager, folder, /none of its 7 pictures can be decoded/);
    assert.equal(warnings.length, 6); // five by name and the count
    const lazy = await openDataset(folder, { imageSize: 4, memoryBudget: 0, warn });
    await assertInputError(
      greys(lazy),
      folder,
      /no picture of class "cats" can be decoded; the first: .*cats.0.png: cannot be/,
    );
  });
});

Deno.test("image folder: a flat folder is one class, train and test are entered", async () => {
  await withFolder(async (folder) => {
    await paint(join(folder, "a.png"), 1);
    assert.equal((await openDataset(folder, { imageSize: 2 })).classNames.length, 1);
    await Deno.remove(join(folder, "a.png"));
    await makePets(join(folder, "train"));
    await paint(join(folder, "val/dogs/a.png"), 3);
    await paint(join(folder, "val/cats/a.png"), 4);
    const options = { imageSize: 2, warn: () => {} };
    assert.equal((await openDataset(folder, options)).length, 4);
    const test = await openDataset(folder, { ...options, split: "test" });
    assert.deepEqual([test.length, ...test.classNames], [2, "cats", "dogs"]);
  });
});

Deno.test({
  name: "image folder: links are followed, circles are not",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await withFolder(async (folder) => {
      await paint(join(folder, "real/cats/a.png"), 5);
      await Deno.mkdir(join(folder, "set"));
      await Deno.symlink(join(folder, "real/cats"), join(folder, "set/cats"));
      await Deno.symlink(join(folder, "real/cats"), join(folder, "real/cats/circle"));
      await Deno.symlink("nowhere.png", join(folder, "real/cats/dangling.txt"));
      const dataset = await openDataset(join(folder, "set"), { imageSize: 2 });
      assert.equal(dataset.length, 1);
    });
  },
});
