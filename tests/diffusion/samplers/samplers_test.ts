/** Whole sampler paths against PyTorch, with the noises PyTorch drew, on every device. */
import assert from "node:assert/strict";
import {
  preparedBatch,
  SamplingProgram,
  type SamplingSettings,
  samplingStepGraph,
} from "../../../diffusion/sampling.ts";
import { type Network, stepsAhead } from "../../../diffusion/step_conditions.ts";
import type { Objective } from "../../../diffusion/objective.ts";
import type { SamplerName } from "../../../diffusion/samplers/sampler.ts";
import { createSampler } from "../../../diffusion/samplers/samplers.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { elementCount } from "../../../kernels/shape.ts";
import { multiply } from "../../../kernels/ops/elementwise/op.ts";
import { broadcastTo, reshape, slice } from "../../../kernels/ops/movement/op.ts";
import { constantTensor, input, type Tensor } from "../../../kernels/tensor.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { ditParameters } from "../../../models/dit/model.ts";
import { ditNetwork } from "../../../models/dit/network.ts";
import { lookup, parameterStates } from "../../../nn/parameters.ts";
import { eachDefaultDevice, eachDevice } from "../../devices.ts";
import { assertClose, loadConfig, loadGolden } from "../../golden.ts";

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
  "dit-latent.velocity-ddim",
  "dit-rgb-plain.euler",
  "dit-rgb-plain.heun",
];

for (const path of paths) {
  const each = path.startsWith("dit-rgb-plain") ? eachDefaultDevice : eachDevice;
  each(`${path}: every step of the path equals PyTorch's`, async (device) => {
    const [model] = path.split(".");
    const [golden, weights] = [await loadGolden(path), await loadGolden(`${model}.weights`)];
    const config = await loadConfig(model);
    const about = golden.about as {
      sampler: SamplerName;
      steps: number;
      eta?: number;
      objective?: Objective;
      cfgScale: number;
      cfgChannels?: number | null;
    };
    const [batchSize, ...picture] = golden.shapes.get("noise")!;
    const settings: SamplingSettings = {
      sampler: about.sampler,
      steps: about.steps,
      eta: about.eta,
      objective: about.objective,
      batchSize,
      pictureShape: picture as [number, number, number],
      guidance: { scale: about.cfgScale, channels: about.cfgChannels ?? undefined },
      nullLabel: config.classes,
    };
    const sampler = createSampler(settings);
    if (golden.has("timesteps")) {
      const timesteps = Int32Array.from(sampler.steps, ({ timestep }) => timestep);
      assert.deepEqual(timesteps, golden.integers("timesteps"));
    }
    const parameters = lookup(parameterStates(ditParameters(config)));
    const shape = [batchSize, ...picture];
    const noise = input("noise", shape);
    const network = ditNetwork(config, parameters);
    const buffers = new Map([...weights.shapes].map(([name, shape]) => {
      const buffer = device.createBuffer(name, "f32", elementCount(shape));
      buffer.write(weights.floats(name));
      return [name, buffer];
    }));
    const ahead = stepsAhead(network, preparedBatch(settings, sampler));
    assert.equal(ahead.count, sampler.steps.length, "all steps are prepared at once");
    const conditions = await device.load(compile(ahead.graph), buffers);
    buffers.set(ahead.state, conditions.buffer(ahead.state));
    const graph = samplingStepGraph(network, settings, sampler, noise);
    const executable = await device.load(compile(graph), buffers);
    executable.buffer("x").write(golden.floats("noise"));
    const labels = new Map([["labels", golden.integers("labels")]]);
    for (const [name, values] of ahead.inputs(sampler.steps, labels)) {
      conditions.buffer(name).write(values);
    }
    conditions.run();
    if (about.cfgScale !== 1) executable.buffer("guidance").write(Float32Array.of(about.cfgScale));
    const size = elementCount(shape);
    const part = (name: string, step: number) =>
      golden.floats(name).subarray(step * size, (step + 1) * size);
    const ofStep = about.sampler === "heun" ? 2 : 1;
    assert.equal(sampler.steps.length, ofStep * about.steps);
    for (const [index, { coefficients }] of sampler.steps.entries()) {
      const step = Math.floor(index / ofStep);
      for (const [name, values] of ahead.stepInputs(index)) executable.buffer(name).write(values);
      executable.buffer("coefficients").write(coefficients);
      if (golden.has("step_noise")) executable.buffer("noise").write(part("step_noise", step));
      executable.run();
      if ((index + 1) % ofStep !== 0) continue;
      const x = await executable.buffer("x").read();
      assertClose(`step ${step}`, x, part("trajectory", step), tolerance);
    }
  });
}

/** A network of one number a picture that puts out f(x, t). */
const velocityNetwork = (velocity: (x: Tensor, t: Tensor) => Tensor): Network => ({
  condition: (t) => reshape(t, [-1, 1]),
  denoise: (x, t) => velocity(x, reshape(t, [-1, 1, 1, 1])),
});

/** Where dx/dt = f(x, t) leads from a start. */
async function follow(
  { sampler, steps, clipDenoised }: Pick<SamplingSettings, "sampler" | "steps" | "clipDenoised">,
  network: Network,
  start: number,
): Promise<number> {
  const settings: SamplingSettings = {
    ...{ sampler, steps, clipDenoised, objective: "flow", batchSize: 1, pictureShape: [1, 1, 1] },
    ...{ guidance: { scale: 1 }, nullLabel: 1 },
  };
  const device = await createWasmDevice({ threads: 1 });
  try {
    const program = await SamplingProgram.create(device, network, settings, new Map());
    const startNoise = (_: number, out: Float32Array) => void out.fill(start);
    return (await program.sample({ seed: 0, labels: [0], startNoise }))[0];
  } finally {
    device.close();
  }
}

const nearly = (actual: number, expected: number) =>
  assert(Math.abs(actual - expected) < 2e-6, `${actual} is not ${expected}`);

Deno.test("Euler's method and Heun's give the closed forms of x' = 2 t and of x' = x", async () => {
  const parabola = velocityNetwork((_, t) => multiply(2, t));
  nearly(await follow({ sampler: "euler", steps: 5 }, parabola, 0.25), 0.25 + 0.8);
  nearly(await follow({ sampler: "heun", steps: 5 }, parabola, 0.25), 0.25 + 1);
  const growth = velocityNetwork((x) => x);
  nearly(await follow({ sampler: "euler", steps: 4 }, growth, 1), 1.25 ** 4);
  const order2 = 1 + 1 / 4 + 1 / 32;
  nearly(await follow({ sampler: "heun", steps: 4 }, growth, 1), order2 ** 4);
});

Deno.test("conditions that do not fit for all steps are worked out for some after the other", async () => {
  const width = 2 ** 20;
  const wide: Network = {
    condition: (t) => broadcastTo(reshape(t, [-1, 1]), [t.shape[0], width]),
    denoise: (_, condition) =>
      multiply(2, reshape(slice(condition, 1, width - 1, 1), [1, 1, 1, 1])),
  };
  const batch = { size: 1, guided: false, told: [], timeType: "f32" } as const;
  const counts = [5, 8, 12, 17].map((steps) => stepsAhead(wide, { ...batch, steps }).count);
  assert.deepEqual(counts, [5, 8, 6, 6]);
  nearly(await follow({ sampler: "euler", steps: 17 }, wide, 0.25), 0.25 + 1 - 1 / 17);
});

Deno.test("kept in range, a flow ends at the nearest data and changes no velocity that leads there", async () => {
  const constant = (velocity: number) =>
    velocityNetwork((x) => broadcastTo(constantTensor(Float32Array.of(velocity), []), x.shape));
  for (const sampler of ["euler", "heun"] as const) {
    const settings = { sampler, steps: 3, clipDenoised: true };
    nearly(await follow(settings, constant(3), 0.5), 1);
    nearly(await follow(settings, constant(0.25), 0.5), 0.75);
  }
});

Deno.test("a sampler of another objective is refused", () => {
  const settings = { steps: 4, sampler: "euler", objective: "velocity" } as const;
  assert.throws(() => createSampler(settings), /euler is no sampler for networks that predict/);
  assert.throws(() => createSampler({ steps: 4, sampler: "ddim", objective: "flow" }), RangeError);
});
