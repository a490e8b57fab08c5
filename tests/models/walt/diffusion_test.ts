/** Sampler paths, losses and gradients of W.A.L.T against PyTorch. */
import assert from "node:assert/strict";
import { constantGuidance, powerCosineGuidance } from "../../../diffusion/guidance.ts";
import { SamplerLoop, type SamplerProcess } from "../../../diffusion/sampler_loop.ts";
import { zeroTerminalLevels } from "../../../diffusion/schedule.ts";
import { velocityLosses } from "../../../diffusion/velocity.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import type { Device } from "../../../kernels/device.ts";
import { elementCount, type HostArray } from "../../../kernels/shape.ts";
import { input, type Tensor } from "../../../kernels/tensor.ts";
import { walt, type WaltConfig, waltParameters } from "../../../models/walt/model.ts";
import {
  keepGiven,
  waltSampling,
  type WaltSamplingSettings,
} from "../../../models/walt/sampling.ts";
import { waltLosses } from "../../../models/walt/step.ts";
import { lookup, parameterStates } from "../../../nn/parameters.ts";
import { deviceChoices, eachDefaultDevice, eachDevice } from "../../devices.ts";
import { assertClose, type Golden, loadConfig, loadGolden } from "../../golden.ts";
import { soaking } from "../../scale.ts";

const config = await loadConfig<WaltConfig>("walt_prediction");
const path = await loadGolden("walt_prediction.ddim");
const weights = await loadGolden("walt_prediction.weights");
const [batchSize] = path.shapes.get("noise")!;
const steps = path.shapes.get("timesteps")![0];
const noFrames = new Int32Array(path.integers("frameMask").length);

/** An emulated GPU compiles the kernels of gradients for seconds. */
const choices = deviceChoices.filter(({ name, strict }) =>
  !strict && (soaking || name !== "webgpu")
);

/** The conditions of the fixture. */
const conditions = (frameMask: Int32Array): Map<string, HostArray> =>
  new Map<string, HostArray>([
    ["y", path.integers("labels")],
    ["frameCondition", path.floats("frameCondition")],
    ["frameMask", frameMask],
  ]);

function createWeights(device: Device, golden: Golden) {
  return new Map([...golden.shapes].map(([name, shape]) => {
    const buffer = device.createBuffer(name, "f32", elementCount(shape));
    buffer.write(golden.floats(name));
    return [name, buffer] as const;
  }));
}

/** Samples that a sampler draws from the fixture's noise. */
async function draw(
  device: Device,
  settings: Partial<WaltSamplingSettings>,
  frameMask: Int32Array = noFrames,
): Promise<Float32Array> {
  const process = waltSampling(config, { batchSize, steps, sampler: "ddim", ...settings });
  const parameters = createWeights(device, weights);
  const loop = await SamplerLoop.create(device, process, parameters);
  const rows = Int32Array.from({ length: batchSize }, (_, row) => row);
  const startNoise = path.floats("noise");
  const samples = await loop.draw({
    seed: 1,
    rows,
    startNoise,
    conditions: conditions(frameMask),
  });
  await loop.requireFinite(samples, () => "the sample");
  loop.destroy();
  for (const buffer of parameters.values()) buffer.destroy();
  return samples;
}

/** Every step of a sampler. */
async function* trajectory(device: Device, { graph, steps, ahead }: SamplerProcess) {
  const parameters = createWeights(device, weights);
  const prepared = await device.load(compile(ahead!.graph), parameters);
  const bindings = new Map([...parameters, [ahead!.state, prepared.buffer(ahead!.state)]]);
  const executable = await device.load(compile(graph), bindings);
  for (const [name, values] of ahead!.inputs(steps, conditions(noFrames))) {
    prepared.buffer(name).write(values);
  }
  prepared.run();
  executable.buffer("x").write(path.floats("noise"));
  for (const name of ["frameCondition", "frameMask"]) {
    executable.buffer(name).write(conditions(noFrames).get(name)!);
  }
  for (const [index, { coefficients }] of steps.entries()) {
    for (const [name, values] of ahead!.stepInputs(index)) executable.buffer(name).write(values);
    executable.buffer("coefficients").write(coefficients);
    executable.run();
    yield await executable.buffer("x").read();
  }
  executable.destroy();
  prepared.destroy();
  for (const buffer of parameters.values()) buffer.destroy();
}

eachDefaultDevice("DDIM by velocity: every step is PyTorch's", async (device) => {
  const process = waltSampling(config, { batchSize, steps, sampler: "ddim" });
  assert.deepEqual(
    process.steps.map(({ timestep }) => timestep),
    [...path.integers("timesteps")],
  );
  const size = path.floats("noise").length;
  let step = 0;
  for await (const x of trajectory(device, process)) {
    const expected = path.floats("trajectory").subarray(step * size, (step + 1) * size);
    assertClose(`step ${step}`, x, expected, 2e-5);
    step++;
  }
  assert.equal(step, steps);
});

eachDefaultDevice(
  "guidance, constant and power-cosine, and given frames are PyTorch's",
  async (device) => {
    const guided = async (weight: WaltSamplingSettings["guidance"], frameMask?: Int32Array) =>
      await draw(device, { guidance: weight }, frameMask);
    assertClose("off", await draw(device, {}), path.floats("latents"), 2e-5);
    assertClose(
      "constant",
      await guided(constantGuidance(2.5)),
      path.floats("latents.constant"),
      2e-5,
    );
    assertClose(
      "power-cosine",
      await guided(powerCosineGuidance(3.8)),
      path.floats("latents.powerCosine"),
      2e-5,
    );
    const mask = path.integers("frameMask");
    const predicted = await guided(constantGuidance(1.5), mask);
    const kept = keepGiven(predicted, path.floats("frameCondition"), mask, config);
    assertClose("predicted", kept, path.floats("latents.predicted"), 2e-5);
  },
);

const lossCase = await loadGolden("walt_prediction.loss");
const ofFloats = (name: string) => input(name, lossCase.shapes.get(name)!);
const ofIntegers = (name: string) => input(name, lossCase.shapes.get(name)!, "i32");
const samples = {
  clean: ofFloats("clean"),
  noise: ofFloats("noise"),
  t: ofIntegers("t"),
  y: ofIntegers("y"),
  usesEstimate: ofIntegers("usesEstimate"),
  frameMask: ofIntegers("frameMask"),
};

/** Compares outputs, by their names in the fixture, on its batch. */
async function compare(
  device: Device,
  outputs: Readonly<Record<string, Tensor>>,
  tolerance: number,
): Promise<void> {
  const executable = await device.load(compile(makeGraph("loss", { outputs })));
  for (const name of weights.shapes.keys()) executable.buffer(name).write(weights.floats(name));
  for (const [name, { dtype }] of Object.entries(samples)) {
    const values = dtype === "f32" ? lossCase.floats(name) : lossCase.integers(name);
    executable.buffer(name).write(values);
  }
  executable.run();
  for (const name of Object.keys(outputs)) {
    assertClose(name, await executable.buffer(name).read(), lossCase.floats(name), tolerance);
  }
  executable.destroy();
}

eachDefaultDevice("losses by velocity, target and estimate are PyTorch's", async (device) => {
  const parameters = lookup(parameterStates(waltParameters(config)));
  const { clean, y, frameMask } = samples;
  const { noised, target, estimate, loss } = velocityLosses(
    (x, t, selfCondition) =>
      walt(config, parameters, { x, t, selfCondition, y, frameMask, frameCondition: clean }),
    zeroTerminalLevels(),
    samples,
  );
  await compare(device, { x: noised, target, estimate, loss }, 2e-5);
});

eachDevice("gradients of a training step are PyTorch's", async (device) => {
  const { loss, states } = waltLosses(config, samples);
  const found = gradients(loss, [...states.values()]);
  const names = [...states.keys()].map((name) => `grad.${name}`);
  await compare(device, Object.fromEntries(names.map((name, i) => [name, found[i]])), 2e-4);
}, choices);

Deno.test("guidance needs a null class", () => {
  const settings = { batchSize: 1, steps: 2, sampler: "ddim", guidance: () => 2 } as const;
  assert.throws(() => waltSampling({ ...config, nullClass: false }, settings), /null class/);
});
