/** What the clips of a run's sheets are told. */
import assert from "node:assert/strict";
import type { ImageDataset } from "../../../data/dataset.ts";
import type { LatentDataset } from "../../../data/latents/dataset.ts";
import { conditionInputs } from "../../../models/walt/clip_conditions.ts";
import type { WaltConfig } from "../../../models/walt/model.ts";
import type { WaltRun } from "../../../models/walt/settings.ts";
import { sheetClips } from "../../../models/walt/sheet_conditions.ts";
import { loadConfig } from "../../golden.ts";

const config: WaltConfig = {
  ...await loadConfig<WaltConfig>("walt_super"),
  ...{ classes: 3, nullClass: true, textWidth: null, framePrediction: false },
};
const { latentChannels: channels, latentFrames: frames, latentSize: [height, width] } = config;

/** Two clips whose pixels are 100 times their index plus the number of their row. */
const clips: ImageDataset = {
  ...{ name: "clips", fingerprint: "clips", length: 2, channels, frames, height, width },
  classNames: ["a", "b", "c"],
  label: (index) => 2 - index,
  read: (indices, out) => out.forEach((_, i) => out[i] = 100 * indices[0] + Math.floor(i / width)),
};

const small = {
  ...clips,
  ...{ height: height / 2, width: width / 2 },
  read: (indices: ArrayLike<number>, out: Float32Array) => void out.fill(indices[0]),
} as LatentDataset;

const described = (run: object) =>
  ({ config, classNames: clips.classNames, run }) as unknown as WaltRun;

/** The inputs of the clips of a sheet. */
async function inputsOf(dataset: ImageDataset, run: object) {
  const { conditions, names } = await sheetClips(dataset, described(run));
  const rows = Int32Array.from(names, (_, clip) => clip);
  return { names, inputs: conditionInputs(config, conditions, rows, () => true) };
}

Deno.test("a model that enlarges draws the first clips of the data, from means of pixels", async () => {
  const { names, inputs } = await inputsOf(clips, { lowResolution: { maxNoise: 300 } });
  assert.deepEqual(names, ["c", "b", "c"]);
  assert.deepEqual([...inputs.get("y")!], [2, 1, 2]);
  assert.deepEqual([...inputs.get("noiseLevel")!], [0, 0, 0]);
  const rows = channels * frames * height / 2;
  const expected = (index: number) =>
    Array.from(
      { length: rows * width / 2 },
      (_, i) => 100 * index + 2 * Math.floor(i / (width / 2)) + 0.5,
    );
  assert.deepEqual([...inputs.get("lowResolution")!], [0, 1, 0].flatMap(expected));
});

Deno.test("latents of a low resolution are normalised as in training", async () => {
  const each = (value: number) => Array.from({ length: channels }, (_, c) => value * (c + 1));
  const cache = { latents: { posterior: false, shift: each(1), scale: each(2) } };
  const { inputs } = await inputsOf(
    { ...clips, lowResolution: small } as ImageDataset,
    { lowResolution: { maxNoise: 300, cache } },
  );
  const plane = frames * height * width / 4;
  const values = inputs.get("lowResolution")!;
  // The second clip has 1 everywhere: (1 - shift) scale.
  const second = values.slice(channels * plane, 2 * channels * plane);
  for (let channel = 0; channel < channels; channel++) {
    const wanted = (1 - (channel + 1)) * 2 * (channel + 1);
    assert.equal(second[channel * plane], wanted);
    assert.equal(second[(channel + 1) * plane - 1], wanted);
  }
});
