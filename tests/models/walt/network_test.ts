/** What a sampler works out before its steps is what the whole network is in each of them. */
import assert from "node:assert/strict";
import { ripple } from "../../../base/ripple.ts";
import {
  randomSource,
  SamplerLoop,
  type SamplerProcess,
  samplerPrograms,
} from "../../../diffusion/sampler_loop.ts";
import { zeroTerminalLevels } from "../../../diffusion/schedule.ts";
import { streams } from "../../../diffusion/streams.ts";
import { levelsAt, noisedBy } from "../../../diffusion/velocity.ts";
import { velocityStepGraph } from "../../../diffusion/samplers/velocity.ts";
import { randomNormal } from "../../../kernels/ops/random/op.ts";
import { elementCount, type HostArray } from "../../../kernels/shape.ts";
import { broadcastTo, concatenate } from "../../../kernels/ops/movement/op.ts";
import { constantTensor, input, type Tensor } from "../../../kernels/tensor.ts";
import type { Device } from "../../../kernels/device.ts";
import type { Program } from "../../../kernels/program.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { walt, type WaltConfig, waltConfigs, waltParameters } from "../../../models/walt/model.ts";
import { waltSampling } from "../../../models/walt/sampling.ts";
import { lookup, parameterStates } from "../../../nn/parameters.ts";

/** Classes, text, and a low resolution of whose noise the level is told. */
const config: WaltConfig = {
  ...waltConfigs.get("WALT-XS")!,
  ...{ latentFrames: 2, latentSize: [4, 4], latentChannels: 2, patch: 2 },
  ...{ hidden: 16, depth: 2, heads: 2, classes: 3, textWidth: 8, lowResolution: true },
  ...{ spatialWindow: [2, 2], spatioTemporalWindow: [2, 1, 1] },
};
const onlyText = { ...config, classes: null, lowResolution: false };
const settings = { batchSize: 2, words: 3, steps: 3, sampler: "ddim", guidance: () => 2 } as const;
const shape = [
  settings.batchSize,
  config.latentChannels,
  config.latentFrames,
  ...config.latentSize,
];

/** Of two clips, of which one has no class, levels of noise that differ, and captions. */
const conditions = new Map<string, HostArray>([
  ["y", Int32Array.of(1, 3)],
  ["noiseLevel", Int32Array.of(100, 7)],
  ["lowResolution", ripple(elementCount(shape) / 4, 3)],
  ["text", ripple(2 * 3 * 8, 4)],
  ["textMask", Int32Array.of(1, 1, 0, 1, 1, 1)],
]);

function parametersOn(device: Device, of: WaltConfig) {
  return new Map(
    waltParameters(of).map(({ name, shape }, index) => {
      const buffer = device.createBuffer(name, "f32", elementCount(shape));
      buffer.write(ripple(elementCount(shape), index + 1));
      return [name, buffer] as const;
    }),
  );
}

/** Guided steps that work out everything themselves. */
function wholeSteps(of: WaltConfig, { steps, memory }: SamplerProcess): SamplerProcess {
  const states = lookup(parameterStates(waltParameters(of)));
  const twice = (one: Tensor, other = one): Tensor => concatenate([one, other], 0);
  const integers = (name: string, ...shape: number[]) => input(name, shape, "i32");
  const [y, textMask] = [integers("y", 2, 1), integers("textMask", 2, 1, 3)];
  const fill = (value: number, { shape }: Tensor): Tensor =>
    broadcastTo(constantTensor(Int32Array.of(value), []), shape);
  const level = integers("noiseLevel", 2);
  const inputs = {
    lowResolution: of.lowResolution ? twice(noisyLowResolution(level)) : undefined,
    noiseLevel: twice(level),
    text: twice(input("text", [2, 1, 3, 8])),
    textMask: twice(textMask, fill(0, textMask)),
    y: of.classes === null ? undefined : twice(y, fill(of.classes, y)),
  };
  const predict = (x: Tensor, estimate: Tensor): Tensor =>
    walt(of, states, {
      ...{ x, selfCondition: estimate, ...inputs },
      t: broadcastTo(integers("t", 1), [x.shape[0]]),
    });
  return { shape, steps, memory, graph: velocityStepGraph(predict, shape, true) };
}

/** The low resolution with noise of a level. */
function noisyLowResolution(level: Tensor): Tensor {
  const clean = input("lowResolution", [...shape.slice(0, 3), 2, 2]);
  const source = {
    ...randomSource(settings.batchSize, streams.lowResolutionNoise),
    draw: constantTensor(Int32Array.of(0), []),
  };
  const at = levelsAt(zeroTerminalLevels(), level, clean.shape.length);
  return noisedBy(clean, randomNormal(source, clean.shape), at);
}

async function draw(
  device: Device,
  of: WaltConfig,
  process: SamplerProcess,
): Promise<Float32Array> {
  const parameters = parametersOn(device, of);
  const loop = await SamplerLoop.create(device, process, parameters);
  const drawn = await loop.draw({ seed: 1, rows: Int32Array.of(0, 1), conditions });
  await loop.requireFinite(drawn, () => "the sample");
  loop.destroy();
  for (const buffer of parameters.values()) buffer.destroy();
  return drawn;
}

Deno.test("clips are those of the whole network in every step, to the bit", async () => {
  const device = await createWasmDevice({ threads: 1, batchInvariant: true });
  try {
    for (const one of [config, { ...config, lowResolution: false }, onlyText]) {
      const process = waltSampling(one, settings);
      const whole = await draw(device, one, wholeSteps(one, process));
      assert.deepEqual(await draw(device, one, process), whole);
    }
  } finally {
    device.close();
  }
});

Deno.test("a step reads no weight of what does not depend on the clip", () => {
  const { step, preparation, ahead } = samplerPrograms(waltSampling(config, settings));
  const weightsOf = ({ buffers }: Program): string[] =>
    buffers.map(({ name }) => name).filter((name) => name.endsWith(".weight"));
  const ofConditions = /_embedder\.(mlp|embedding)|adaLN/;
  const ofGiven = /^(text_proj|low_resolution)/;
  const all = waltParameters(config).map(({ name }) => name).filter((name) =>
    name.endsWith(".weight")
  );
  const matching = (names: readonly string[], pattern: RegExp) =>
    names.filter((name) => pattern.test(name)).sort();
  assert.deepEqual(weightsOf(ahead!).sort(), matching(all, ofConditions));
  assert.deepEqual(matching(weightsOf(preparation!), ofGiven), matching(all, ofGiven));
  assert.deepEqual(
    weightsOf(step).sort(),
    all.filter((name) => !ofConditions.test(name) && !ofGiven.test(name)).sort(),
  );
});
