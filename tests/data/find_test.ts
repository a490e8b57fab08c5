import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { openDataset, type OpenDatasetOptions, openPictureSet } from "../../data/open.ts";
import { makePipe } from "../crash/libc.ts";
import { assertInputError, idxBytes, withFolder } from "../formats/helpers.ts";
import { damagePixels, paint } from "./helpers.ts";

/** Writes pictures and other files (those that no picture is painted in), with their folders. */
async function make(folder: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const file = join(folder, path);
    if (path.endsWith(".png")) await paint(file, 100);
    else if (path.endsWith("/")) await Deno.mkdir(file, { recursive: true });
    else {
      await Deno.mkdir(join(file, ".."), { recursive: true });
      await Deno.writeTextFile(file, "other");
    }
  }
}

/** Opens a folder for DiT, and what was said meanwhile, without the folder's path. */
async function open(folder: string, options: OpenDatasetOptions = {}) {
  const lines: string[] = [];
  const warn = (line: string) => lines.push(line.replaceAll(folder, "SET"));
  const dataset = await openDataset(folder, { imageSize: 2, warn, ...options });
  return { dataset, lines };
}

Deno.test("find: pictures are read by content, those that cannot be are counted by extension", async () => {
  await withFolder(async (folder) => {
    const { default: sharp } = await import("sharp");
    await make(folder, [
      ...["a/1.png", "a/2.bmp", "a/3.bmp", "a/4.HEIC", "a/5.ppm", "a/notes", "a/list.txt"],
      ...["b/1.png", "c/1.ppm", "c/2.ppm"],
    ]);
    const jpeg = await sharp(join(folder, "a/1.png")).jpeg().toBuffer();
    for (const name of ["saved.jfif", "old.jpe", "really-jpeg.bmp", "no-extension"]) {
      await Deno.writeFile(join(folder, "b", name), jpeg);
    }
    const { dataset, lines } = await open(folder);
    assert.deepEqual([dataset.length, ...dataset.classNames], [6, "a", "b"]);
    assert.deepEqual(lines, [
      "SET: left out: 3 .ppm, 2 .bmp, 1 .heic, which cannot be read",
      'warning: SET: class "c" is left out: none of its pictures can be read (2 .ppm)',
    ]);
    await assertInputError(
      openDataset(join(folder, "c"), { imageSize: 2 }),
      join(folder, "c"),
      /not a data set: no pictures \(.jpg .*\) in it or in its sub-folders, only 2 .ppm, which cannot/,
    );
  });
});

Deno.test("find: folders without pictures are no classes", async () => {
  await withFolder(async (folder) => {
    await make(folder, [
      ...["cat/1.png", "dog/1.png", "__MACOSX/cat/._1.png", "annotations/1.xml", "lost+found/"],
      ".ipynb_checkpoints/1.png",
    ]);
    const { dataset, lines } = await open(folder);
    assert.deepEqual(dataset.classNames, ["cat", "dog"]);
    assert.deepEqual([0, 1].map((index) => dataset.label(index)), [0, 1]);
    assert.deepEqual(lines, [
      "SET: left out: folders without pictures: __MACOSX, annotations, lost+found",
    ]);
    assert.deepEqual((await openPictureSet(folder, { warn: () => {} })).classNames, ["cat", "dog"]);
    // A run that was started when they were classes goes on with its labels.
    const classNames = ["__MACOSX", "annotations", "cat", "dog"];
    const resumed = (await open(folder, { classNames })).dataset;
    assert.deepEqual([0, 1].map((index) => resumed.label(index)), [2, 3]);
    assert.deepEqual(resumed.classNames, classNames);
    const other = openDataset(folder, { imageSize: 2, classNames: ["cat"], warn: () => {} });
    await assertInputError(other, folder, /class "dog" is none of the 1 known/);
  });
});

Deno.test("find: a class of which no picture can be decoded is an error", async () => {
  await withFolder(async (folder) => {
    await make(folder, ["cat/1.png", "dog/1.png", "dog/2.png"]);
    await damagePixels(join(folder, "dog/1.png"));
    await Deno.writeTextFile(join(folder, "dog/2.png"), "no");
    const expected = /none of the 2 pictures of class "dog" can be decoded, such as dog\/1.png/;
    await assertInputError(openDataset(folder, { imageSize: 2, warn() {} }), folder, expected);
    await Deno.writeTextFile(join(folder, "dog/1.png"), "no");
    await assertInputError(openPictureSet(folder, { warn() {} }), folder, expected);
  });
});

Deno.test("find: labels without pictures are named by number", async () => {
  await withFolder(async (folder) => {
    const images = join(folder, "x-images-idx3-ubyte");
    await Deno.writeFile(images, idxBytes([3, 1, 1], [1, 2, 3]));
    await Deno.writeFile(join(folder, "x-labels-idx1-ubyte"), idxBytes([3], [1, 3, 7]));
    const lines: string[] = [];
    await openPictureSet(folder, { warn: (line) => lines.push(line) });
    assert.deepEqual(lines, [
      `warning: ${images}: 5 of 8 classes have no picture: labels 0, 2, 4 to 6`,
    ]);
  });
});

Deno.test("find: parts of a set are no classes, however they are called", async () => {
  const pairs = [
    ["Train", "Test"],
    ["TRAIN", "VAL"],
    ["training", "valid"],
    ["train", "dev"],
    ["seg_train", "seg_test"],
    ["training_set", "test_set"],
    ["train2017", "val2017"],
    ["one/more/train", "one/more/test"],
    ["seg_train/seg_train", "seg_test/seg_test"],
  ];
  for (const [train, test] of pairs) {
    await withFolder(async (folder) => {
      await make(folder, [
        ...["cat/1.png", "cat/2.png", "dog/1.png"].map((path) => `${train}/${path}`),
        ...["cat/1.png", "dog/1.png"].map((path) => `${test}/${path}`),
      ]);
      const { dataset, lines } = await open(folder);
      assert.deepEqual([dataset.length, ...dataset.classNames, ...lines], [3, "cat", "dog"]);
      assert.equal(dataset.name, join(folder, train));
      assert.equal((await open(folder, { split: "test" })).dataset.length, 2);
      await Deno.remove(join(folder, test), { recursive: true });
      const alone = (await open(folder)).dataset;
      assert.deepEqual([alone.length, ...alone.classNames], [3, "cat", "dog"]);
      await assertInputError(
        openDataset(folder, { split: "test", imageSize: 2 }),
        folder,
        /has no separate test part/,
      );
      const held = await openPictureSet(folder, { split: "test", holdout: 0.3 });
      assert.equal(held.length, 1);
    });
  }
});

Deno.test("find: the test part comes before others, a lone one is not trained on", async () => {
  await withFolder(async (folder) => {
    await make(folder, ["val/cat/1.png", "test/cat/1.png", "test/cat/2.png", "extra/cat/1.png"]);
    await make(folder, ["train/cat/1.png", "loose.png"]);
    const { dataset, lines } = await open(folder, { split: "test" });
    assert.equal(dataset.name, join(folder, "test"));
    assert.deepEqual(lines, [
      "SET: left out: pictures beside the parts: 1, such as loose.png",
      "SET: left out: extra with 1 pictures, which is no part",
    ]);
    for (const name of ["val", "extra", "train", "loose.png"]) {
      await Deno.remove(join(folder, name), { recursive: true });
    }
    assert.equal((await open(folder, { split: "test" })).dataset.length, 2);
    await assertInputError(
      openDataset(folder, { imageSize: 2 }),
      folder,
      /has no train part; give .*test to train on it/,
    );
    await make(folder, ["train/cat/1.png", "Train/cat/1.png"]);
    const ambiguous = openDataset(folder, { imageSize: 2 });
    await assertInputError(ambiguous, folder, /"Train" and "train" may both be the train part/);
  });
});

Deno.test("find: a class may be called train, a class of folders is warned of", async () => {
  await withFolder(async (folder) => {
    await make(folder, ["car/1.png", "plane/1.png", "train/1.png", "bullet_train/1.png"]);
    await make(folder, ["test_tube/1.png"]);
    assert.equal((await open(folder)).dataset.classNames.length, 5);
  });
  await withFolder(async (folder) => {
    await make(folder, ["real/cat/1.png", "real/dog/1.png", "fake/cat/1.png"]);
    const { dataset, lines } = await open(folder);
    assert.deepEqual(dataset.classNames, ["fake", "real"]);
    assert.equal(lines.length, 1);
    assert.match(
      lines[0],
      /^warning: SET: the folders of classes hold folders instead of pictures/,
    );
  });
});

Deno.test("find: a flat folder with another sub-folder, stray pictures beside classes", async () => {
  await withFolder(async (folder) => {
    await make(folder, ["a.png", "b.png", "notes/readme.txt"]);
    const { dataset, lines } = await open(folder);
    assert.deepEqual([dataset.length, ...dataset.classNames], [2, basename(folder)]);
    assert.deepEqual(lines, []);
    const moved = (await open(folder, { classNames: ["elsewhere"] })).dataset;
    assert.deepEqual([moved.label(1), ...moved.classNames], [0, "elsewhere"]);
    await make(folder, ["cat/1.png"]);
    const classes = await open(folder);
    assert.deepEqual(classes.dataset.classNames, ["cat"]);
    assert.deepEqual(classes.lines, [
      "SET: left out: pictures beside the folders of classes: 2, such as a.png",
      "SET: left out: folders without pictures: notes",
    ]);
  });
});

Deno.test("find: a labels.json of another program changes nothing", async () => {
  await withFolder(async (folder) => {
    await make(folder, ["cat/1.png", "dog/1.png", "labels.json"]);
    assert.deepEqual((await open(folder)).dataset.classNames, ["cat", "dog"]);
  });
});

Deno.test("find: IDX and CIFAR in folders, folders called like IDX files", async () => {
  await withFolder(async (folder) => {
    const inner = join(folder, "MNIST/raw");
    await Deno.mkdir(inner, { recursive: true });
    const images = idxBytes([2, 1, 1], [1, 2]);
    const labels = idxBytes([2], [0, 1]);
    await Deno.writeFile(join(inner, "train-images-idx3-ubyte"), images);
    await Deno.writeFile(join(inner, "train-labels-idx1-ubyte"), labels);
    assert.equal((await openDataset(folder)).length, 2);
    assert.equal((await openPictureSet(folder)).length, 2);
    await Deno.mkdir(join(folder, "KMNIST"));
    await Deno.copyFile(
      join(inner, "train-images-idx3-ubyte"),
      join(folder, "KMNIST/train-images-idx3-ubyte"),
    );
    await assertInputError(openDataset(folder), folder, /several sets.*KMNIST, MNIST.raw/);
  });
  await withFolder(async (folder) => {
    await Deno.mkdir(join(folder, "train-images-idx3-ubyte"));
    await Deno.writeFile(join(folder, "train-images.idx3-ubyte"), idxBytes([1, 1, 1], [1]));
    await Deno.writeFile(join(folder, "train-labels.idx1-ubyte"), idxBytes([1], [0]));
    assert.equal((await openDataset(folder)).length, 1);
  });
  await withFolder(async (folder) => {
    await make(folder, ["cifar-100-python/train", "cifar-100-python/meta"]);
    await assertInputError(openDataset(folder), folder, /the Python version of CIFAR/);
  });
});

Deno.test({
  name: "find: named pipes and dead links are left out, wherever they are",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await withFolder(async (folder) => {
      await make(folder, ["cat/1.png", "dog/1.png"]);
      makePipe(join(folder, "cat/p.png"));
      makePipe(join(folder, "cat/1.txt"));
      makePipe(join(folder, "labels.json"));
      await Deno.symlink("nowhere", join(folder, "dog/link.jpg"));
      const { dataset, lines } = await open(folder);
      assert.equal(dataset.length, 2);
      assert.deepEqual(lines, ["SET: left out: cat/p.png, dog/link.jpg: no regular files"]);
      const set = await openPictureSet(folder, { captions: true, warn() {} });
      assert.equal(set.caption!(0), "cat");
      const pipe = join(folder, "cat/p.png");
      await assertInputError(openDataset(pipe), pipe, /neither a regular file nor a folder/);
    });
  },
});

Deno.test("find: opening tells how far it is", async () => {
  await withFolder(async (folder) => {
    await make(folder, ["cat/1.png", "cat/2.png", "dog/1.png", "dog/1.txt"]);
    const heard: unknown[] = [];
    const watch = (...stage: unknown[]) => heard.push(stage);
    await open(folder, { watch });
    assert.deepEqual(heard, [
      ["files seen", 0],
      ["files seen", 2],
      ["files seen", 4],
      ...[0, 1, 2, 3].map((done) => ["pictures decoded", done, 3]),
    ]);
    heard.length = 0;
    await openPictureSet(folder, { watch, captions: true, warn() {} });
    assert.deepEqual(heard.at(3), ["heads read", 0, 3]);
    const stages = new Set(heard.map((stage) => (stage as unknown[])[0]));
    assert.deepEqual([...stages], ["files seen", "heads read", "lengths read", "captions read"]);
    assert.deepEqual(heard.at(-1), ["captions read", 3, 3]);
  });
});
