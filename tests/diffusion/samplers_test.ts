/** Whole sampler paths against PyTorch, with the noises PyTorch drew, on every device. */
import assert from "node:assert/strict";
import { type SamplingSettings, samplingStepGraph } from "../../diffusion/sampling.ts";
import { createSampler, type SamplerName } from "../../diffusion/samplers.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { elementCount } from "../../kernels/shape.ts";
import { input } from "../../kernels/tensor.ts";
import { dit, ditParameters } from "../../models/dit/model.ts";
import { lookup, parameterStates } from "../../nn/parameters.ts";
import { eachDevice } from "../devices.ts";
import { assertClose, loadConfig, loadGolden } from "../golden.ts";

/** Of the largest magnitude, after every step; rounding makes up to 1e-6. */
const tolerance = 2e-5;

const paths = [
  "dit-latent.ddim",
  "dit-latent.ddim-3ch",
  "dit-latent.ddim-eta",
  "dit-latent.ddpm",
  "dit-latent.dpm",
  "dit-pixel.ddim",
  "dit-pixel.ddim-eta",
  "dit-pixel.ddpm",
];

for (const path of paths) {
  eachDevice(`${path}: every step of the path equals PyTorch's`, async (device) => {
    const [model] = path.split(".");
    const [golden, weights] = [await loadGolden(path), await loadGolden(`${model}.weights`)];
    const config = await loadConfig(model);
    const about = golden.about as {
      sampler: SamplerName;
      steps: number;
      eta?: number;
      cfgScale: number;
      cfgChannels: number | null;
    };
    const [batchSize, ...picture] = golden.shapes.get("noise")!;
    const settings: SamplingSettings = {
      sampler: about.sampler,
      steps: about.steps,
      eta: about.eta,
      batchSize,
      pictureShape: picture as [number, number, number],
      guidance: { scale: about.cfgScale, channels: about.cfgChannels ?? undefined },
      nullLabel: config.classes,
    };
    const sampler = createSampler(settings);
    assert.deepEqual(
      Int32Array.from(sampler.steps, ({ timestep }) => timestep),
      golden.integers("timesteps"),
    );
    const parameters = lookup(parameterStates(ditParameters(config)));
    const shape = [batchSize, ...picture];
    const noise = input("noise", shape);
    const graph = samplingStepGraph(
      (x, t, y) => dit(config, parameters, x, t, y),
      settings,
      sampler,
      noise,
    );
    const executable = await device.load(compile(graph));
    for (const name of weights.shapes.keys()) executable.buffer(name).write(weights.floats(name));
    executable.buffer("x").write(golden.floats("noise"));
    executable.buffer("labels").write(golden.integers("labels"));
    const size = elementCount(shape);
    const part = (name: string, step: number) =>
      golden.floats(name).subarray(step * size, (step + 1) * size);
    for (const [step, { timestep, coefficients }] of sampler.steps.entries()) {
      executable.buffer("t").write(Int32Array.of(timestep));
      executable.buffer("coefficients").write(coefficients);
      if (golden.has("step_noise")) executable.buffer("noise").write(part("step_noise", step));
      executable.run();
      const x = await executable.buffer("x").read();
      assertClose(`step ${step}`, x, part("trajectory", step), tolerance);
    }
  });
}
