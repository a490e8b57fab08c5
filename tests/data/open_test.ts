import assert from "node:assert/strict";
import { join } from "@std/path";
import fc from "fast-check";
import { pictureLength } from "../../data/dataset.ts";
import { MemoryDataset } from "../../data/memory_dataset.ts";
import { openDataset } from "../../data/open.ts";
import { InputError } from "../../base/errors.ts";
import { writeNpz, writeSamplesNpz } from "../../formats/tensors/npz.ts";
import { assertInputError, compress, idxBytes, withFolder } from "../formats/helpers.ts";
import { memorySet, paint } from "./helpers.ts";
import { scale } from "../scale.ts";

const samples = join(import.meta.dirname!, "../../data/samples/fashion");

/** Values of one picture. */
async function picture(dataset: Awaited<ReturnType<typeof openDataset>>, index: number) {
  const out = new Float32Array(pictureLength(dataset));
  await dataset.read([index], out);
  return out;
}

async function writeIdxPair(folder: string, prefix: string, labels: number[]): Promise<void> {
  const pixels = Uint8Array.from({ length: labels.length * 6 }, (_, index) => index);
  const images = idxBytes([labels.length, 2, 3], pixels);
  await Deno.writeFile(
    join(folder, `${prefix}-images-idx3-ubyte.gz`),
    await compress(images, "gzip"),
  );
  await Deno.writeFile(
    join(folder, `${prefix}-labels-idx1-ubyte`),
    idxBytes([labels.length], labels),
  );
}

Deno.test("dataset: bytes are scaled to [-1, 1], wrong reads are refused", () => {
  const dataset = memorySet(5, 1, 10, 10);
  const out = new Float32Array(200);
  dataset.read([4, 0], out);
  assert.equal(out[100], -1);
  assert.equal(out[0], Math.fround((400 % 256) / 127.5 - 1));
  assert.ok(out.every((value) => value >= -1 && value <= 1));
  assert.throws(() => dataset.read([5], out.subarray(0, 100)), /no picture 5, there are 5/);
  assert.throws(() => dataset.read([-1], out.subarray(0, 100)), RangeError);
  assert.throws(() => dataset.read([0], out), /1 pictures need 100 values, got room for 200/);
});

Deno.test("dataset: fingerprints tell contents apart", () => {
  const images = {
    name: "x",
    channels: 1,
    height: 2,
    width: 3,
    classNames: ["a", "b"],
    pixels: new Uint8Array(12),
    labels: [0, 1],
  };
  const base = new MemoryDataset(images).fingerprint;
  assert.equal(new MemoryDataset({ ...images, name: "y" }).fingerprint, base);
  for (
    const change of [{ labels: [1, 0] }, { height: 3, width: 2 }, {
      pixels: images.pixels.with(3, 1),
    }]
  ) {
    assert.notEqual(new MemoryDataset({ ...images, ...change }).fingerprint, base);
  }
  assert.throws(() => new MemoryDataset({ ...images, labels: [0, 2] }), /label 2 of picture 1/);
  assert.throws(() => new MemoryDataset({ ...images, labels: [0] }), /2 pictures but 1 labels/);
  assert.throws(
    () => new MemoryDataset({ ...images, labels: [], pixels: new Uint8Array() }),
    InputError,
  );
});

Deno.test("open: the shipped samples", async () => {
  const dataset = await openDataset(samples);
  assert.deepEqual(
    [dataset.length, dataset.channels, dataset.height, dataset.width, dataset.name],
    [4000, 1, 28, 28, "fashion"],
  );
  assert.equal(dataset.classNames.length, 10);
  assert.equal(dataset.classNames[dataset.label(3999)], "Ankle boot");
  const counts = new Int32Array(10);
  for (let index = 0; index < dataset.length; index++) counts[dataset.label(index)]++;
  assert.ok(counts.every((count) => count === 400));
  await assertInputError(openDataset(samples, { split: "test" }), samples, /no separate test part/);
});

Deno.test("open: IDX folders and files, both splits, class names", async () => {
  await withFolder(async (folder) => {
    await writeIdxPair(folder, "train", [0, 2, 1]);
    await writeIdxPair(folder, "t10k", [1]);
    const train = await openDataset(folder);
    assert.deepEqual([train.length, train.height, train.width], [3, 2, 3]);
    assert.deepEqual(train.classNames, ["0", "1", "2"]);
    assert.equal(train.label(1), 2);
    assert.equal((await picture(train, 1))[0], Math.fround(6 / 127.5 - 1));
    assert.equal((await openDataset(folder, { split: "test" })).length, 1);
    await Deno.writeTextFile(join(folder, "classes.txt"), "shirt\nshoe\nbag\n");
    const file = join(folder, "train-images-idx3-ubyte.gz");
    assert.deepEqual((await openDataset(file)).classNames, ["shirt", "shoe", "bag"]);

    await writeIdxPair(folder, "letters-train", [0]);
    await assertInputError(openDataset(folder), folder, /several files of train pictures/);
    await Deno.remove(join(folder, "letters-train-labels-idx1-ubyte"));
    const orphan = join(folder, "letters-train-images-idx3-ubyte.gz");
    await assertInputError(openDataset(orphan), orphan, /no file letters-train-labels-idx1/);
    const wrong = join(folder, "mixed-images-idx3-ubyte");
    await Deno.writeFile(wrong, idxBytes([2], [1, 2]));
    await assertInputError(openDataset(wrong), wrong, /these look like labels/);
    await Deno.writeFile(wrong, idxBytes([2, 1, 1], [1, 2]));
    await Deno.writeFile(join(folder, "mixed-labels-idx1-ubyte"), idxBytes([3], [1, 2, 0]));
    await assertInputError(openDataset(wrong), wrong, /2 pictures but 3 labels/);
  });
});

Deno.test("open: Fashion-MNIST itself gets its class names", async (t) => {
  const folder = "/usr/share/datasets/fashion-mnist";
  const isThere = await Deno.stat(folder).then(() => true, () => false);
  await t.step({
    name: "from the Debian package",
    ignore: !isThere,
    fn: async () => {
      const dataset = await openDataset(folder, { split: "test" });
      assert.equal(dataset.length, 10000);
      assert.equal(dataset.classNames[dataset.label(0)], "Ankle boot");
    },
  });
});

Deno.test("open: CIFAR-10 and CIFAR-100", async () => {
  await withFolder(async (folder) => {
    const record = (labels: number[], fill: number) => [...labels, ...new Array(3072).fill(fill)];
    const inner = join(folder, "cifar-10-batches-bin");
    await Deno.mkdir(inner);
    for (let batch = 1; batch <= 5; batch++) {
      const bytes = Uint8Array.from([...record([batch], batch), ...record([9], 255)]);
      await Deno.writeFile(join(inner, `data_batch_${batch}.bin`), bytes);
    }
    await Deno.writeFile(join(inner, "test_batch.bin"), Uint8Array.from(record([3], 0)));
    const train = await openDataset(folder, { warn: () => {} });
    assert.deepEqual([train.length, train.channels, train.height], [10, 3, 32]);
    assert.deepEqual([train.label(0), train.label(9)], [1, 9]);
    assert.equal((await picture(train, 9))[3071], 1);
    assert.equal((await openDataset(folder, { split: "test" })).label(0), 3);
    await Deno.remove(join(inner, "data_batch_4.bin"));
    await assertInputError(openDataset(folder), inner, /data_batch_4.bin: missing from CIFAR-10/);

    const fine = join(folder, "train.bin");
    await Deno.writeFile(fine, Uint8Array.from(record([11, 99], 7)));
    assert.equal((await openDataset(fine)).label(0), 99);
    await Deno.writeFile(fine, new Uint8Array(3073));
    await assertInputError(openDataset(fine), fine, /3073 bytes are not a multiple of.*3074/);
    await Deno.writeFile(fine, Uint8Array.from(record([11, 100], 7)));
    await assertInputError(openDataset(fine), fine, /label 100 of picture 0/);
  });
});

Deno.test("open: npz with and without labels", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "pictures.npz");
    const pixels = Uint8Array.from({ length: 2 * 2 * 2 * 3 }, (_, index) => index);
    await writeSamplesNpz(path, [2, 2, 2, 3], [pixels], [0, 4]);
    const dataset = await openDataset(path);
    assert.deepEqual([dataset.length, dataset.label(1), dataset.classNames.length], [2, 4, 5]);
    const green = [1, 4, 7, 10].map((byte) => Math.fround(byte / 127.5 - 1));
    assert.deepEqual([...(await picture(dataset, 0)).subarray(4, 8)], green);
    await writeSamplesNpz(path, [2, 2, 2, 3], [pixels]);
    assert.deepEqual((await openDataset(path)).classNames, ["0"]);
    await writeSamplesNpz(path, [0, 2, 2, 3], []);
    await assertInputError(openDataset(path), path, /holds no pictures/);
    await writeSamplesNpz(path, [1, 2, 2, 6], [pixels]);
    await assertInputError(openDataset(path), path, /6 channels/);
    await writeSamplesNpz(path, [2, 2, 2, 3], [pixels], [0, 2 ** 40]);
    await assertInputError(openDataset(path), path, /over the limit/);
    await writeNpz(path, [{ name: "mu", type: "F32", shape: [0], chunks: [] }]);
    await assertInputError(openDataset(path), path, /no array "arr_0"/);
    await writeNpz(path, [{ name: "arr_0", type: "F32", shape: [0], chunks: [] }]);
    await assertInputError(openDataset(path), path, /is not \(pictures, height, width, channels\)/);
  });
});

Deno.test("open: size and channels on request", async () => {
  await withFolder(async (folder) => {
    await writeIdxPair(folder, "train", [0, 1, 0]);
    const colour = await openDataset(folder, { channels: 3 });
    const values = await picture(colour, 2);
    assert.deepEqual(values.subarray(0, 6), values.subarray(12));
    const square = await openDataset(folder, { imageSize: 2 });
    assert.deepEqual([square.height, square.width, square.channels, square.length], [2, 2, 1, 3]);
    assert.deepEqual([square.label(0), square.label(1)], [0, 1]);
    const large = await openDataset(folder, { imageSize: 7, channels: 3 });
    assert.equal(pictureLength(large), 3 * 49);
    await assert.rejects(openDataset(folder, { imageSize: 0 }), /image size 0 is not/);
    await assert.rejects(openDataset(folder, { channels: 2 }), /2 channels/);
  });
});

Deno.test("open: what leads to nothing says what was looked for", async () => {
  await withFolder(async (folder) => {
    await assertInputError(openDataset(join(folder, "x")), folder, /no such file or folder/);
    await assertInputError(openDataset(folder), folder, /looked for labels.json .*\.npz/);
    const file = join(folder, "notes.txt");
    await Deno.writeTextFile(file, "hello");
    await assertInputError(openDataset(file), file, /not a data set; looked for/);
    await Deno.mkdir(join(folder, "cats"));
    await assertInputError(openDataset(folder), folder, /no pictures \(.jpg/);
    await paint(join(folder, "cats/a.png"), 1);
    await assertInputError(openDataset(folder), folder, /needs a size.*--image-size/);
  });
});

Deno.test("open: damaged labels.json gives clear errors only", async () => {
  await withFolder(async (folder) => {
    const text = await Deno.readTextFile(join(samples, "labels.json"));
    const path = join(folder, "labels.json");
    const name = "sheet-1-trouser.png";
    await Deno.copyFile(join(samples, name), join(folder, name));
    const set = JSON.parse(text);
    set.sheets = [set.sheets[1]];
    const write = async (changed: unknown) =>
      await Deno.writeTextFile(path, JSON.stringify(changed));
    await write(set);
    assert.equal((await openDataset(folder)).length, 400);
    const sheet = set.sheets[0];
    const cases: [unknown, RegExp][] = [
      [null, /format is "undefined"/],
      [{ ...set, format: "other" }, /format is "other"/],
      [{ ...set, columns: 0 }, /columns is not a whole number/],
      [{ ...set, columns: 19 }, /560 x 560 pixels, labels.json says 532 x 616/],
      [{ ...set, channels: 2 }, /channels is neither/],
      [{ ...set, classNames: [3] }, /classNames/],
      [{ ...set, sheets: [{ ...sheet, file: "../sheet-1.png" }] }, /sheets is not a list/],
      [{ ...set, sheets: [{ ...sheet, file: "sheet-none.png" }] }, /cannot be decoded/],
      [{ ...set, sheets: [{ ...sheet, count: 399 }] }, /SHA-256/],
      [{ ...set, sheets: [{ ...sheet, label: 10 }] }, /label 10 of picture 0 is not 0..9/],
      [{ ...set, sheets: [] }, /holds no pictures/],
    ];
    for (const [changed, expected] of cases) {
      await write(changed);
      await assert.rejects(openDataset(folder), (error) => {
        assert.ok(error instanceof InputError, String(error));
        assert.match(error.message, expected);
        return true;
      });
    }
    const good = JSON.stringify(set);
    const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.constantFrom(...'019{}[],:"a-')));
    await fc.assert(
      fc.asyncProperty(edits, async (list) => {
        const characters = [...good];
        for (const [at, character] of list) characters[at] = character;
        await Deno.writeTextFile(path, characters.join(""));
        await openDataset(folder, { warn: () => {} }).catch((error) =>
          assert.ok(error instanceof InputError, String(error))
        );
      }),
      { numRuns: scale(100, 2000) },
    );
  });
});
