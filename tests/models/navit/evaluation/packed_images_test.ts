/**
 * The promise of packing (NaViT, section 2.1): whatever lies beside an image, before or behind it, its logits
 * are those it has alone. On real files of mixed sizes, through everything that an evaluation does.
 */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { openPictureSet } from "../../../../data/open.ts";
import type { PictureSet } from "../../../../data/picture_set.ts";
import { runNaViT } from "../../../../models/navit/evaluation/evaluate.ts";
import {
  gridOf,
  type ImageSetting,
  settingName,
} from "../../../../models/navit/evaluation/image_grids.ts";
import { createWasmDevice } from "../../../../kernels/wasm/device.ts";
import type { NaViTConfig } from "../../../../models/navit/model.ts";
import { longestGridSide } from "../../../../models/navit/positions.ts";
import { writeMixedPictures } from "../../../cli/navit_runs.ts";
import { withFolder } from "../../../cli/runs.ts";
import { eachDefaultDevice } from "../../../devices.ts";
import { assertClose } from "../../../golden.ts";
import { logitsOneByOne, randomWeights, uploadWeights } from "../images.ts";

/** Largest difference allowed, as a part of the largest logit; 1e-4 is promised, rounding makes 1e-6. */
const tolerance = 1e-5;

const config: NaViTConfig = {
  family: "navit",
  patch: 4,
  channels: 3,
  hidden: 48,
  depth: 2,
  heads: 3,
  mlp: 96,
  mlpBias: false,
  classes: 7,
  positions: "factorized",
  combination: "sum",
  coordinates: "absolute",
  positionLength: 12,
};

const settings: ImageSetting[] = [
  { kind: "tokens", tokens: 40 },
  { kind: "native", tokens: 60 },
  { kind: "resolution", side: 26 },
  { kind: "padded", tokens: 40 },
  { kind: "square", side: 20 },
];

/** Runs `body` with the pictures of a folder, the first of them much longer than high. */
function withPictures(body: (pictures: PictureSet) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 5);
    await body(await openPictureSet(data));
  });
}

for (const coordinates of ["absolute", "aspect"] as const) {
  eachDefaultDevice(
    `packed logits equal one-image-at-a-time logits, ${coordinates} coordinates`,
    (device) =>
      withPictures(async (pictures) => {
        const model = { ...config, coordinates };
        const weights = randomWeights(model);
        const loaded = { device, config: model, parameters: uploadWeights(device, weights) };
        for (const setting of settings) {
          const { values, indices, fillRate } = await runNaViT(
            loaded,
            pictures,
            setting,
            "logits",
            { sequences: 2, length: 70 },
          );
          assert.deepEqual(indices, Array.from({ length: pictures.length }, (_, i) => i));
          if (setting.kind === "native") assert(fillRate > 0.6, `${fillRate}`);
          const grids = indices.map((index) =>
            gridOf(setting, pictures.size(index), model.patch, longestGridSide(model))
          );
          const alone = await logitsOneByOne(device, model, weights, pictures, grids);
          alone.forEach((expected, row) => {
            const packed = values.subarray(row * model.classes, (row + 1) * model.classes);
            const name = `${settingName(setting)}: ${pictures.pictureName(row)}`;
            assertClose(name, packed, expected, tolerance);
            assert(row === 0 || expected.some((logit, k) => logit !== alone[row - 1][k]), name);
          });
        }
      }),
  );
}

eachDefaultDevice(
  "packed logits of every shipped picture equal those of the picture alone",
  async (device) => {
    const pictures = await openPictureSet(
      `${import.meta.dirname}/../../../../data/samples/clipart`,
      {
        split: "test",
      },
    );
    const model = { ...config, patch: 16, classes: pictures.classNames.length };
    const weights = randomWeights(model);
    const loaded = { device, config: model, parameters: uploadWeights(device, weights) };
    const setting = { kind: "native", tokens: 49 } as const;
    const batches = { sequences: 3, length: 64 };
    const { values, indices } = await runNaViT(loaded, pictures, setting, "logits", batches);
    assert.equal(indices.length, 97);
    const grids = indices.map((index) =>
      gridOf(setting, pictures.size(index), model.patch, longestGridSide(model))
    );
    assert(new Set(grids.map(({ rows, columns }) => `${rows} x ${columns}`)).size > 15);
    const alone = await logitsOneByOne(device, model, weights, pictures, grids);
    alone.forEach((expected, row) => {
      const packed = values.subarray(row * model.classes, (row + 1) * model.classes);
      assertClose(pictures.pictureName(row), packed, expected, tolerance);
    });
  },
);

/** The pictures of a set in the opposite order. */
function reversed(set: PictureSet): PictureSet {
  const at = (index: number) => set.length - 1 - index;
  return {
    ...set,
    label: (index) => set.label(at(index)),
    size: (index) => set.size(at(index)),
    pictureName: (index) => set.pictureName(at(index)),
    source: (index) => set.source(at(index)),
    decode: (index) => set.decode(at(index)),
  };
}

Deno.test("threads and workers change no bit, order and batches no more than rounding", () =>
  withPictures(async (pictures) => {
    const weights = randomWeights(config);
    const logits = async (
      set: PictureSet,
      [sequences, length, workers, threads]: readonly [number, number, number, number],
    ) => {
      const device = await createWasmDevice({ threads, batchInvariant: true });
      try {
        const loaded = { device, config, parameters: uploadWeights(device, weights) };
        const batches = { sequences, length, workers };
        const { values } = await runNaViT(loaded, set, settings[0], "logits", batches);
        return values;
      } finally {
        device.close();
      }
    };
    const expected = await logits(pictures, [2, 72, 1, 1]);
    assert.deepEqual(await logits(pictures, [2, 72, 3, 1]), expected, "workers");
    assert.deepEqual(await logits(pictures, [2, 72, 1, 3]), expected, "threads");
    // Elsewhere in a sequence an image's keys are summed in other groups.
    assertClose("one sequence", await logits(pictures, [1, 72, 1, 1]), expected, tolerance);
    assertClose("long sequences", await logits(pictures, [3, 200, 1, 1]), expected, tolerance);
    const backwards = await logits(reversed(pictures), [2, 72, 1, 1]);
    for (let row = 0; row < pictures.length; row++) {
      const of = (values: Float32Array, image: number) =>
        values.subarray(image * config.classes, (image + 1) * config.classes);
      const turned = of(backwards, pictures.length - 1 - row);
      assertClose(pictures.pictureName(row), turned, of(expected, row), tolerance);
    }
  }));
