/** Dynamic loss scaling: overflows skip a step and halve the scale, small gradients survive. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import type { Device } from "../../../kernels/device.ts";
import { multiply, square } from "../../../kernels/ops/elementwise/op.ts";
import { linear } from "../../../kernels/ops/matmul/op.ts";
import { mean } from "../../../kernels/ops/reduce/op.ts";
import type { FloatType } from "../../../kernels/shape.ts";
import { input } from "../../../kernels/tensor.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { webgpu } from "../../../kernels/webgpu/kind.ts";
import { ditParameters } from "../../../models/dit/model.ts";
import { ditTrainingGraphs } from "../../../models/dit/step.ts";
import { forecastMemory } from "../../../training/runs/forecast.ts";
import { trainDiT } from "../../../models/dit/run.ts";
import { lookup, type ParameterSpecification, parameterStates } from "../../../nn/parameters.ts";
import { readManifest } from "../../../training/checkpoints/manifest.ts";
import { readMetrics } from "../../../training/runs/metrics.ts";
import { latestCheckpoint } from "../../../training/runs/run_folder.ts";
import { lossScaleInterval } from "../../../training/step/loss_scaling.ts";
import { type StepLosses, stepOf } from "../../../training/step/step_graphs.ts";
import {
  allocateState,
  destroyState,
  initializeState,
  Trainer,
} from "../../../training/step/trainer.ts";
import { withFolder } from "../../cli/runs.ts";
import { eachDefaultDevice, kernelScratch } from "../../devices.ts";
import { halfActivationsTest } from "../../half_activations.ts";
import { readTrainer, smallDataset, smallPlan, trainSmall } from "../runs/small_run.ts";

const [batch, width] = [4, 8];
const optimizer = { learningRate: 0.01, weightDecay: 0.1, clipNorm: 1, averageDecay: 0.9 };

const specifications = ["first", "second"].map((name): ParameterSpecification => ({
  ...{ name, shape: [width, width], trainable: true },
  initial: { kind: "normal", deviation: 0.5 },
}));

/** The squares of what two layers make of the inputs, times `size`. */
function losses(size: number, rows = batch): StepLosses {
  const states = parameterStates(specifications);
  const of = lookup(states);
  const hidden = linear(input("x", [rows, width]), of("first"));
  const loss = multiply(mean(square(linear(hidden, of("second")))), size);
  return { specifications, states, loss, terms: {} };
}

/** A trainer of the two layers; `accumulate` parts a batch. */
async function trainerOf(
  device: Device,
  { size, lossScaling = true, accumulate = 1 }: {
    size: number;
    lossScaling?: boolean;
    accumulate?: number;
  },
): Promise<Trainer> {
  const state = allocateState(device, specifications, { lossScaling });
  await initializeState(device, state, 1);
  const graphs = stepOf(
    batch,
    { clipNorm: optimizer.clipNorm, lossScaling, accumulate },
    (rows) => losses(size, rows),
  );
  return await Trainer.create(device, graphs, state, optimizer, 0);
}

const x = Float32Array.from({ length: batch * width }, (_, i) => Math.sin(3 * i * i));

/** Frees everything of a trainer. */
function release(trainer: Trainer): void {
  trainer.destroy();
  destroyState(trainer.state);
}

eachDefaultDevice("in single precision scaling changes no bit", async (device) => {
  for (const accumulate of [1, 2]) {
    const runs = [];
    for (const lossScaling of [false, true]) {
      const trainer = await trainerOf(device, { size: 1, lossScaling, accumulate });
      for (let step = 0; step < 3; step++) trainer.runStep({ x });
      const sums = await trainer.takeSums();
      runs.push({ sums, tensors: await readTrainer(trainer) });
      const scale = lossScaling ? [2 ** 16, 3, 0] : undefined;
      assert.deepEqual(await trainer.state.lossScale?.read(), scale && Float32Array.from(scale));
      release(trainer);
    }
    assert.equal(runs[0].sums.get("skipped"), 0);
    assert(runs[0].sums.get("gradientNorm")! > 0);
    assert.deepEqual(runs[1], runs[0]);
  }
});

eachDefaultDevice(
  "a gradient that overflows halves the scale and leaves all states as they are",
  async (device) => {
    // The squared norm of the gradients is beyond single precision until the scale is small enough.
    const trainer = await trainerOf(device, { size: 2 ** 50 });
    const before = await readTrainer(trainer);
    trainer.runStep({ x });
    assert.deepEqual(await readTrainer(trainer), before);
    assert.deepEqual(await trainer.state.lossScale!.read(), Float32Array.of(2 ** 15, 0, 0));
    assert.equal(await trainer.skippedInARow(), 1);
    assert.equal(await trainer.isSound(), true);
    for (let step = 0; step < 9 && await trainer.skippedInARow() > 0; step++) {
      trainer.runStep({ x });
    }
    const [scale, goodSteps] = await trainer.state.lossScale!.read();
    assert(scale < 2 ** 15 && goodSteps === 1, `${scale}, ${goodSteps}`);
    assert.notDeepEqual(await readTrainer(trainer), before);
    assert((await trainer.takeSums()).get("skipped")! > 1);
    release(trainer);
  },
);

eachDefaultDevice("enough good steps double the scale, up to a bound", async (device) => {
  const trainer = await trainerOf(device, { size: 1 });
  const { lossScale } = trainer.state;
  for (const [before, after] of [[2 ** 16, 2 ** 17], [2 ** 24, 2 ** 24]]) {
    lossScale!.write(Float32Array.of(before, lossScaleInterval - 2, 0));
    trainer.runStep({ x });
    assert.deepEqual(await lossScale!.read(), Float32Array.of(before, lossScaleInterval - 1, 0));
    trainer.runStep({ x });
    assert.deepEqual(await lossScale!.read(), Float32Array.of(after, 0, 0));
  }
  // A loss that is itself not finite is told apart from one whose scale is too large.
  trainer.runStep({ x: x.map(() => NaN) });
  assert.deepEqual(await lossScale!.read(), Float32Array.of(2 ** 23, 0, 1));
  assert.equal(await trainer.isSound(), false);
  release(trainer);
});

halfActivationsTest(
  "gradients that vanish in half precision survive with scaling",
  async (device) => {
    // The gradient of the hidden layer is below the smallest half, 2^-24.
    const moments = async (lossScaling: boolean) => {
      const trainer = await trainerOf(device, { size: 2 ** -27, lossScaling });
      trainer.runStep({ x });
      const moment = await trainer.state.firstMoments.get("first")!.read();
      release(trainer);
      return Math.max(...moment.map(Math.abs));
    };
    assert.equal(await moments(false), 0);
    assert(await moments(true) > 2 ** -40);
  },
);

halfActivationsTest(
  "activations beyond half precision skip the step and halve the scale",
  async (device) => {
    const trainer = await trainerOf(device, { size: 8 });
    const before = await readTrainer(trainer);
    trainer.runStep({ x });
    assert.deepEqual(await readTrainer(trainer), before);
    assert.deepEqual(await trainer.state.lossScale!.read(), Float32Array.of(2 ** 15, 0, 0));
    release(trainer);
  },
);

/** Two steps and two resumed ones against four; in half precision against single too. */
async function resumesExactly(device: Device): Promise<void> {
  await withFolder(async (folder) => {
    const run = { lossScaling: true, activations: device.activations };
    const whole = await trainSmall(device, smallPlan({ run }));
    await trainSmall(device, smallPlan({ steps: 2, run, folder }));
    const checkpoint = (await latestCheckpoint(folder))!;
    assert.equal((await readManifest(checkpoint)).run.lossScaling, true);
    const plan = smallPlan({ run, folder, start: { from: "resume", checkpoint } });
    let allocated = 0;
    const trainer = await trainDiT(device, smallDataset(), plan, {
      ready: () => allocated = device.allocatedBytes,
    });
    assert.deepEqual(await readTrainer(trainer), whole);
    assert.deepEqual(await trainer.state.lossScale!.read(), Float32Array.of(2 ** 16, 4, 0));
    release(trainer);
    assert.deepEqual((await readMetrics(folder)).map(({ lossScale }) => lossScale), [65536, 65536]);
    const { config, run: settings } = plan.description;
    const { total } = forecastMemory(
      ditParameters(config),
      ditTrainingGraphs(config, settings),
      { kind: device.kind, threads: 1, activations: device.activations },
    );
    const excess = allocated - total;
    assert(excess >= 0 && excess <= kernelScratch[device.kind.name], `${excess}`);
  });
}

Deno.test("a resumed run has the same bits and the same scale, in the memory that was forecast [wasm]", async () => {
  const device = await createWasmDevice({ threads: 1 });
  await resumesExactly(device);
  device.close();
});

Deno.test("a run may end in a step that was skipped for its scale alone", async () => {
  await withFolder(async (folder) => {
    const device = await createWasmDevice({ threads: 1 });
    const run = { lossScaling: true };
    const trainer = await trainDiT(device, smallDataset(), smallPlan({ steps: 3, run, folder }), {
      ready: ({ state }) => state.lossScale!.write(Float32Array.of(2 ** 120, 0, 0)),
    });
    const checkpoint = await latestCheckpoint(folder);
    assert.equal(checkpoint, join(folder, "checkpoints", "0000003"));
    const [first, last] = await readMetrics(folder);
    assert.deepEqual([first.skippedSteps, first.lossScale], [2, 2 ** 118]);
    assert.deepEqual([last.skippedSteps, last.lossScale], [1, 2 ** 117]);
    release(trainer);
    device.close();
  });
});

Deno.test("gradients that overflow whatever their scale end the run", async () => {
  const device = await createWasmDevice({ threads: 1 });
  const run = { lossScaling: true };
  await assert.rejects(
    trainDiT(device, smallDataset(), smallPlan({ steps: 30, run }), {
      ready: ({ state }) => state.lossScale!.write(Float32Array.of(2 ** 120, 0, 0)),
    }),
    /^NonFiniteLossError: gradients have, however small their scale, not been finite for 20 steps up to step 20;/,
  );
  device.close();
});

halfActivationsTest(
  "a resumed run in half precision has the same bits and the same scale, in the memory that was forecast",
  resumesExactly,
);

Deno.test("activations in half precision take half the memory of a step", () => {
  const { config: small, run } = smallPlan().description;
  const config = { ...small, inputSize: 32, hidden: 128, depth: 4 };
  const graphs = ditTrainingGraphs(config, { ...run, batchSize: 64 });
  const temporaries = (activations: FloatType) =>
    forecastMemory(ditParameters(config), graphs, { kind: webgpu, threads: 1, activations }).parts
      .temporaries;
  const ratio = temporaries("f16") / temporaries("f32");
  assert(ratio > 0.49 && ratio < 0.55, `${ratio}`);
});
