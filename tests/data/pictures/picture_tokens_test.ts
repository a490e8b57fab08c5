import assert from "node:assert/strict";
import {
  type PictureJob,
  prepareTokens,
  writeTokens,
} from "../../../data/pictures/picture_tokens.ts";
import { keptTokens } from "../../../data/packing/token_dropping.ts";
import { assertInputError } from "../../formats/helpers.ts";
import { mixedSet } from "../helpers.ts";

/** A job that keeps every token of a picture, in a batch of `tokens` tokens. */
function jobFor(
  picture: { channels: number },
  changes: Partial<PictureJob>,
  tokens: number,
): PictureJob {
  const { patch = 2 } = changes;
  const arrays = {
    patches: new Float32Array(tokens * picture.channels * patch ** 2).fill(9),
    rows: new Int32Array(tokens).fill(9),
    columns: new Int32Array(tokens).fill(9),
  };
  return {
    source: "none",
    size: { width: 1, height: 1 },
    channels: picture.channels,
    patch,
    grid: { rows: 1, columns: 1 },
    kept: { count: tokens, seed: 1, position: 0 },
    isMirrored: false,
    arrays,
    firstToken: 0,
    ...changes,
  };
}

Deno.test("picture tokens: patches are row-major, channel slowest, b / 127.5 - 1", () => {
  for (const channels of [1, 3]) {
    const set = mixedSet([{ width: 6, height: 4 }], channels);
    const picture = set.source(0);
    const grid = { rows: 2, columns: 3 };
    const job = jobFor(picture, { grid }, 6);
    writeTokens(picture, job);
    assert.deepEqual([...job.arrays.rows], [0, 0, 0, 1, 1, 1]);
    assert.deepEqual([...job.arrays.columns], [0, 1, 2, 0, 1, 2]);
    for (let token = 0; token < 6; token++) {
      for (let channel = 0; channel < channels; channel++) {
        for (let y = 0; y < 2; y++) {
          for (let x = 0; x < 2; x++) {
            const row = 2 * Math.floor(token / 3) + y;
            const column = 2 * (token % 3) + x;
            const byte = picture.data[(row * 6 + column) * channels + channel];
            const place = ((token * channels + channel) * 2 + y) * 2 + x;
            assert.equal(job.arrays.patches[place], Math.fround(byte / 127.5 - 1));
          }
        }
      }
    }
  }
});

Deno.test("picture tokens: a mirrored picture is the picture mirrored", () => {
  const set = mixedSet([{ width: 5, height: 9 }]);
  const picture = set.source(0);
  const data = picture.data.map((_, place) => {
    const pixel = Math.floor(place / 3);
    const column = pixel % 5;
    return picture.data[3 * (pixel - column + 4 - column) + place % 3];
  });
  const grid = { rows: 4, columns: 2 };
  const kept = { count: 5, seed: 3, position: 8 };
  const mirrored = jobFor(picture, { grid, kept, isMirrored: true }, 5);
  writeTokens(picture, mirrored);
  const plain = jobFor(picture, { grid, kept }, 5);
  writeTokens({ ...picture, data }, plain);
  assert.deepEqual(mirrored.arrays, plain.arrays);
});

Deno.test("picture tokens: kept tokens are those of the whole picture, at their places", () => {
  const set = mixedSet([{ width: 70, height: 50 }]);
  const picture = set.source(0);
  const grid = { rows: 3, columns: 7 };
  const whole = jobFor(picture, { grid }, 21);
  writeTokens(picture, whole);
  const kept = { count: 8, seed: 2, position: 77 };
  const job = { ...jobFor(picture, { grid, kept }, 12), firstToken: 3 };
  writeTokens(picture, job);
  const chosen = keptTokens(21, 8, 2, 77);
  const { patches, rows, columns } = job.arrays;
  chosen.forEach((token, place) => {
    assert.deepEqual([rows[3 + place], columns[3 + place]], [Math.floor(token / 7), token % 7]);
    const expected = whole.arrays.patches.subarray(token * 12, (token + 1) * 12);
    assert.deepEqual(patches.subarray((3 + place) * 12, (4 + place) * 12), expected);
  });
  // Nothing beside them was touched.
  for (const place of [0, 1, 2, 11]) {
    assert.deepEqual([rows[place], columns[place], patches[12 * place]], [9, 9, 9]);
  }
});

Deno.test("picture tokens: one pixel, one token; damage writes nothing", async () => {
  const set = mixedSet([{ width: 1, height: 1 }], 1);
  const picture = set.source(0);
  const job = jobFor(picture, { source: picture, patch: 3 }, 1);
  assert.deepEqual(await prepareTokens(job), picture);
  assert.ok(job.arrays.patches.every((value) => value === -1));
  const broken = jobFor(picture, { source: "tests/data/helpers.ts" }, 1);
  await assertInputError(prepareTokens(broken), "tests/data/helpers.ts", /cannot be decoded/);
  assert.ok(broken.arrays.patches.every((value) => value === 9));
});
