/** What a step draws for its samples: captions that are left out, low resolutions with noise. */
import assert from "node:assert/strict";
import { seedWords } from "../../../diffusion/streams.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { openDevice } from "../../../kernels/devices.ts";
import type { WaltConfig } from "../../../models/walt/model.ts";
import { drawSamples, type WaltStepSettings } from "../../../models/walt/step.ts";
import { loadConfig } from "../../golden.ts";

const batchSize = 64;
const settings: WaltStepSettings = {
  ...{
    batchSize,
    labelDropout: 0,
    selfConditioning: 0,
    framePrediction: 0,
    imageShare: 0,
    clipNorm: 1,
  },
  text: { path: "captions", fingerprint: "", words: 2 },
  lowResolution: { maxNoise: 0 },
};
const config: WaltConfig = {
  ...await loadConfig<WaltConfig>("walt_super"),
  ...{ classes: 5, nullClass: true },
};
const { latentChannels, latentFrames, latentSize: [height, width] } = config;
const planes = batchSize * latentChannels * latentFrames;

/** Some of what is drawn for samples whose pixels are the numbers of their columns. */
async function drawn(
  changes: Partial<WaltStepSettings>,
  names: readonly (keyof ReturnType<typeof drawSamples>)[],
) {
  const samples = drawSamples(config, { ...settings, ...changes });
  const outputs = Object.fromEntries(names.map((name) => [`drawn ${name}`, samples[name]!]));
  const program = compile(makeGraph("draw", { outputs }));
  const inputs = {
    images: Float32Array.from({ length: planes * height * width }, (_, i) => i % width),
    samples: Int32Array.from({ length: batchSize }, (_, n) => n),
    seed: seedWords(1),
    labels: new Int32Array(batchSize).fill(3),
    textMask: new Int32Array(batchSize * 2).fill(1),
  };
  const device = await openDevice("wasm", { threads: 1 });
  try {
    const executable = await device.load(program);
    const known = new Set(program.buffers.map(({ name }) => name));
    for (const [name, values] of Object.entries(inputs)) {
      if (known.has(name)) executable.buffer(name).write(values);
    }
    executable.run();
    return await Promise.all(
      names.map(async (name) => [...await executable.buffer(`drawn ${name}`).read()]),
    );
  } finally {
    device.close();
  }
}

Deno.test("class and caption are left out together, in as many samples as asked", async () => {
  const [y, mask] = await drawn({ labelDropout: 0.25 }, ["y", "textMask"]);
  const dropped = y.filter((label) => label === 5).length;
  assert(dropped > 6 && dropped < 28, `${dropped} of ${batchSize}`);
  assert.deepEqual(mask, y.flatMap((label) => label === 5 ? [0, 0] : [1, 1]));
});

Deno.test("the low resolution is the means of 2 x 2 pixels, with noise of the level that is told", async () => {
  const [low, levels] = await drawn({}, ["lowResolution", "noiseLevel"]);
  assert.equal(low.length, planes * height * width / 4);
  assert(levels.every((level) => level === 0));
  // The first level of the schedule has noise of deviation 0.01.
  low.forEach((value, i) =>
    assert(Math.abs(value - (2 * (i % (width / 2)) + 0.5)) < 0.06, `${value}`)
  );
  const [noisy, higher] = await drawn({ lowResolution: { maxNoise: 999 } }, [
    "lowResolution",
    "noiseLevel",
  ]);
  assert(higher.every((level) => level >= 0 && level <= 999));
  assert(Math.max(...higher) > 900 && Math.min(...higher) < 100);
  const own = (n: number) =>
    noisy.slice(n * noisy.length / batchSize, (n + 1) * noisy.length / batchSize);
  const noisiest = own(higher.indexOf(Math.max(...higher)));
  const mean = noisiest.reduce((sum, value) => sum + value, 0) / noisiest.length;
  assert(Math.abs(mean) < 0.6, `${mean}: at the end nothing is left but noise`);
});
