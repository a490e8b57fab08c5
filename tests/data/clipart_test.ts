import assert from "node:assert/strict";
import { openPictureSet } from "../../data/open.ts";
import { effectiveSide } from "../../data/packing/patch_grid.ts";
import type { PictureSet } from "../../data/picture_set.ts";
import { boxFilter, resize } from "../../data/pictures/resample.ts";

const folder = "data/samples/clipart";

/** Numbers of all pictures of a set. */
function indices(set: PictureSet): number[] {
  return Array.from({ length: set.length }, (_, index) => index);
}

Deno.test("clip art: 12 classes in two parts, aspect ratios and areas vary", async () => {
  const train = await openPictureSet(folder);
  const test = await openPictureSet(folder, { split: "test" });
  assert.deepEqual(test.classNames, train.classNames);
  assert.equal(train.classNames.length, 12);
  const total = train.length + test.length;
  assert.ok(total >= 400 && total <= 500, `${total}`);
  assert.ok(Math.abs(test.length / total - 0.2) < 0.02, `${test.length} of ${total}`);
  for (let label = 0; label < 12; label++) {
    const count = (set: PictureSet) =>
      indices(set).filter((index) => set.label(index) === label).length;
    assert.ok(count(train) >= 20 && count(test) >= 6, train.classNames[label]);
  }
  const sizes = indices(train).map((index) => train.size(index));
  const areas = sizes.map((size) => effectiveSide(size) ** 2).sort((a, b) => a - b);
  assert.ok(areas[Math.floor(0.95 * areas.length)] > 12 * areas[Math.floor(0.05 * areas.length)]);
  assert.ok(areas.at(-1)! > 16 * areas[0]);
  assert.ok(sizes.every(({ width, height }) => Math.max(width, height) <= 112));
  const elongated = sizes.filter(({ width, height }) => Math.abs(Math.log(width / height)) > 0.2);
  assert.ok(elongated.length > 0.6 * sizes.length, `${elongated.length} of ${sizes.length}`);
});

Deno.test("clip art: every picture decodes, no test picture is also for training", async () => {
  const thumbnails = async (split: "train" | "test") => {
    const set = await openPictureSet(folder, { split });
    return await Promise.all(
      indices(set).map(async (index) => {
        const picture = await set.decode(index);
        const { width, height } = picture;
        assert.deepEqual({ width, height }, set.size(index));
        return { name: set.pictureName(index), data: resize(picture, boxFilter, 8, 8).data };
      }),
    );
  };
  const [train, test] = [await thumbnails("train"), await thumbnails("test")];
  for (const one of test) {
    for (const other of train) {
      const off = one.data.reduce(
        (sum, byte, place) => sum + Math.abs(byte - other.data[place]),
        0,
      );
      assert.ok(off / one.data.length > 2, `${one.name} ${other.name}`);
    }
  }
});
