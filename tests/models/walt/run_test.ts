/** Runs of models that are told everything: text, a low resolution, given frames. */
import assert from "node:assert/strict";
import { ripple } from "../../../base/ripple.ts";
import type { ImageDataset } from "../../../data/dataset.ts";
import type { LatentDataset } from "../../../data/latents/dataset.ts";
import type { TextFeatures } from "../../../data/text_features.ts";
import type { WaltDataset } from "../../../models/walt/conditions.ts";
import { type WaltConfig, waltParameters } from "../../../models/walt/model.ts";
import { trainWalt } from "../../../models/walt/run.ts";
import type { WaltRun } from "../../../models/walt/settings.ts";
import { waltTrainingGraphs } from "../../../models/walt/step.ts";
import { forecastMemory } from "../../../training/runs/forecast.ts";
import type { RunPlan } from "../../../training/runs/run.ts";
import { destroyState } from "../../../training/step/trainer.ts";
import { deviceChoices, eachDevice } from "../../devices.ts";
import { loadConfig } from "../../golden.ts";

const config: WaltConfig = {
  ...await loadConfig<WaltConfig>("walt_super"),
  ...{ classes: 2, nullClass: true, crossAttentionWindow: "spatial", spatialWindow: [4, 6] },
};
const { latentFrames: frames, latentChannels: channels, latentSize, textWidth } = config;

/** Made-up latents of four clips. */
function latents(name: string, scale: number): ImageDataset {
  const [height, width] = latentSize.map((side) => side * scale);
  return {
    ...{ name, fingerprint: name, length: 4, channels, frames, height, width },
    classNames: ["a", "b"],
    label: (index) => index % 2,
    read: (indices, out) => out.set(ripple(out.length, 1 + indices[0])),
  };
}

const features: TextFeatures = {
  ...{ path: "captions", fingerprint: "captions", words: 3, width: textWidth! },
  names: ["0", "1", "2", "3"],
  rowOf: Number,
  read(row, text, mask) {
    text.set(ripple(text.length, row + 5));
    mask.set([1, 1, 0]);
  },
  [Symbol.dispose]() {},
};

const each = (value: number) => Array.from({ length: channels }, () => value);
const normalised = {
  autoencoder: { config: { family: "some" }, path: "/somewhere", hash: "0".repeat(64) },
  ...{ posterior: false, shift: each(0), scale: each(1) },
};

const dataset: WaltDataset = {
  ...latents("clips", 1),
  captions: { features, rows: Int32Array.of(0, 1, 2, 3) },
  lowResolution: latents("small", 0.5) as LatentDataset,
};

const plan = (accumulate: number): RunPlan<WaltRun> => ({
  steps: 2,
  logEvery: 1,
  checkpointEvery: 2,
  keep: 1,
  start: { from: "seed" },
  description: {
    format: "tessera-checkpoint",
    version: 2,
    config,
    classNames: ["a", "b"],
    dataFingerprint: "clips",
    dataPath: "clips",
    run: {
      ...{ seed: 1, flip: false, clipNorm: 1, learningRate: 1e-3, weightDecay: 0 },
      ...{ averageDecay: 0.999, batchSize: 4, accumulate, labelDropout: 0.1 },
      ...{ selfConditioning: 0.9, framePrediction: 0.5, imageShare: 0.5, latents: normalised },
      text: { path: "captions", fingerprint: "captions", words: 3 },
      lowResolution: {
        maxNoise: 300,
        cache: { path: "small", fingerprint: "small", latents: normalised },
      },
    },
  },
});

/** An emulated GPU compiles the kernels of gradients for seconds. */
const choices = deviceChoices.filter(({ name, strict }) => !strict && name !== "webgpu");

eachDevice(
  "a model that is told everything is trained in the memory that was forecast",
  async (device, { name }) => {
    for (const accumulate of [1, 2]) {
      const { description } = plan(accumulate);
      let allocated = 0;
      const losses: number[] = [];
      const trainer = await trainWalt(device, dataset, plan(accumulate), {
        ready: () => allocated = device.allocatedBytes,
        metrics: ({ loss }) => losses.push(loss),
      });
      assert.equal(losses.length, 2);
      assert(losses.every((loss) => loss > 0.1 && loss < 3), `${losses}`);
      const threads = name.includes("2 threads") ? 2 : 1;
      const graphs = waltTrainingGraphs(config, description.run);
      const target = { kind: device.kind, threads };
      const { total } = forecastMemory(waltParameters(config), graphs, target);
      assert.equal(allocated, total);
      trainer.destroy();
      destroyState(trainer.state);
    }
  },
  choices,
);
