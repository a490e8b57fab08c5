/** At what size, in patches, each setting of an evaluation shows an image. */
import assert from "node:assert/strict";
import {
  gridOf,
  type ImageSetting,
  settingName,
} from "../../../../models/navit/evaluation/image_grids.ts";

/** Rows and columns of pictures with patches of 8 pixels. */
function grid(
  setting: ImageSetting,
  width: number,
  height: number,
  longest = Infinity,
): [number, number] {
  const { rows, columns } = gridOf(setting, { width, height }, 8, longest);
  return [rows, columns];
}

Deno.test("token budgets are filled as far as the aspect ratio allows, scaled up or down", () => {
  const budget = (tokens: number): ImageSetting => ({ kind: "tokens", tokens });
  assert.deepEqual(grid(budget(64), 10, 10), [8, 8]);
  assert.deepEqual(grid(budget(64), 900, 225), [4, 16]);
  assert.deepEqual(grid(budget(63), 225, 900), [15, 4]);
  assert.deepEqual(grid(budget(1), 900, 225), [1, 1]);
  assert.deepEqual(grid(budget(64), 900, 225, 8), [2, 8]);
});

Deno.test("native pictures keep their size but for the budget, packed or padded", () => {
  for (const kind of ["native", "padded"] as const) {
    const native: ImageSetting = { kind, tokens: 24 };
    assert.deepEqual(grid(native, 40, 32), [4, 5]);
    assert.deepEqual(grid(native, 43, 37), [4, 5]); // 5 x 5 would be one too many
    assert.deepEqual(grid(native, 3, 3), [1, 1]);
    assert.deepEqual(grid(native, 400, 320), [4, 6]);
    assert.deepEqual(grid(native, 80, 8, 6), [1, 6]);
  }
});

Deno.test("squares ignore the aspect ratio, resolutions are areas", () => {
  assert.deepEqual(grid({ kind: "square", side: 36 }, 900, 100), [5, 5]);
  assert.deepEqual(grid({ kind: "square", side: 36 }, 900, 100, 3), [3, 3]);
  assert.deepEqual(grid({ kind: "resolution", side: 32 }, 400, 100), [2, 8]);
  assert.deepEqual(grid({ kind: "resolution", side: 32 }, 400, 100, 4), [1, 4]);
  assert.deepEqual(grid({ kind: "resolution", side: 1 }, 400, 100), [1, 1]);
});

Deno.test("a shift of the aspect ratio keeps the area", () => {
  const shifted = (factor: number): ImageSetting => ({ kind: "aspect", side: 32, factor });
  assert.deepEqual(grid(shifted(1), 100, 100), [4, 4]);
  assert.deepEqual(grid(shifted(4), 100, 100), [2, 8]);
  assert.deepEqual(grid(shifted(0.25), 100, 100), [8, 2]);
  assert.deepEqual(grid(shifted(4), 100, 400), [4, 4]);
  assert.deepEqual(grid(shifted(4), 100, 100, 4), [1, 4]);
});

Deno.test("settings have names that tell them apart", () => {
  const settings: ImageSetting[] = [
    { kind: "tokens", tokens: 9 },
    { kind: "padded", tokens: 9 },
    { kind: "native", tokens: 9 },
    { kind: "square", side: 9 },
    { kind: "resolution", side: 9 },
    { kind: "aspect", side: 9, factor: 2 },
  ];
  assert.equal(new Set(settings.map(settingName)).size, settings.length);
});
