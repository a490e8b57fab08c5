/** A NaViT's training step against PyTorch: losses, gradients, three AdamW steps; batches in parts. */
import assert from "node:assert/strict";
import type { Device } from "../../../kernels/device.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { graphInputs, makeGraph } from "../../../kernels/graph/graph.ts";
import { elementCount } from "../../../kernels/shape.ts";
import type { Tensor } from "../../../kernels/tensor.ts";
import type { NaViTConfig } from "../../../models/navit/model.ts";
import { globalNorm } from "../../../training/step/optimizer.ts";
import { navitLosses, navitTrainingGraphs } from "../../../models/navit/step.ts";
import { allocateState, copyAverages, Trainer } from "../../../training/step/trainer.ts";
import { eachDevice } from "../../devices.ts";
import { assertClose, type Golden, loadConfig, loadGolden, thinned } from "../../golden.ts";
import { goldenShape, writeGoldenInputs, writeParameters } from "./batches.ts";

/** Largest difference allowed, as a part of the largest magnitude; float32 rounding makes 1e-6. */
const tolerance = 1e-5;

for (const kind of ["softmax", "sigmoid"] as const) {
  eachDevice(`${kind} loss and every gradient equal PyTorch's`, async (device) => {
    const config = await loadConfig<NaViTConfig>("navit_factorized");
    const [weights, golden] = [
      await loadGolden("navit_factorized.weights"),
      await loadGolden("navit_factorized.losses"),
    ];
    const settings = { ...goldenShape(golden), loss: kind, clipNorm: 0 };
    const { loss, states } = navitLosses(config, settings);
    const found = gradients(loss, [...states.values()]);
    const outputs: Record<string, Tensor> = { loss, norm: globalNorm(found) };
    [...states.keys()].forEach((name, index) => outputs[`grad.${name}`] = found[index]);
    const graph = makeGraph("loss", { outputs });
    const executable = await device.load(compile(graph));
    writeParameters((name) => executable.buffer(name), weights);
    writeGoldenInputs(executable, golden, graphInputs(graph));
    executable.run();
    const compare = async (output: string, tensor: string) =>
      assertClose(
        tensor,
        thinned(await executable.buffer(output).read(), golden),
        golden.floats(tensor),
        tolerance,
      );
    await compare("loss", `${kind}.loss`);
    await compare("norm", `${kind}.grad_norm`);
    for (const name of states.keys()) await compare(`grad.${name}`, `${kind}.grad.${name}`);
  });
}

/** A trainer with golden parameters. */
async function goldenTrainer(
  device: Device,
  config: NaViTConfig,
  golden: Golden,
  parts: number,
): Promise<{ trainer: Trainer; inputs: Record<string, Float32Array | Int32Array> }> {
  const { rate, weightDecay, headWeightDecay } = golden.about as unknown as {
    readonly rate: Readonly<Record<"base" | "warmup" | "timescale" | "total" | "cooldown", number>>;
    readonly weightDecay: number;
    readonly headWeightDecay: number;
  };
  const settings = {
    ...goldenShape(golden),
    loss: "sigmoid",
    clipNorm: 1,
    accumulate: parts,
  } as const;
  const graphs = navitTrainingGraphs(config, settings);
  const { specifications } = navitLosses(config, settings);
  const state = allocateState(device, specifications);
  writeParameters(
    (name) => state.parameters.get(name)!,
    await loadGolden("navit_factorized.weights"),
  );
  await copyAverages(state);
  const trainer = await Trainer.create(device, graphs, state, {
    learningRate: rate.base,
    rateSchedule: {
      kind: "rsqrt",
      warmup: rate.warmup,
      timescale: rate.timescale,
      steps: rate.total,
      cooldown: rate.cooldown,
    },
    weightDecay,
    headWeightDecay,
    clipNorm: 1,
    averageDecay: 0.9,
  }, 0);
  const wanted = graphInputs(graphs.accumulate ?? graphs.update);
  const inputs: Record<string, Float32Array | Int32Array> = {};
  for (const name of wanted) {
    if (!golden.has(`input.${name}`)) continue;
    inputs[name] = name === "patches" || name === "weights"
      ? golden.floats(`input.${name}`)
      : golden.integers(`input.${name}`);
  }
  inputs.weights = inputs.weights.map((weight) => weight * parts) as Float32Array;
  return { trainer, inputs };
}

for (const parts of [1, 2]) {
  const title = parts === 1 ? "" : ", in 2 parts";
  eachDevice(`three AdamW steps equal PyTorch's${title}`, async (device) => {
    const config = await loadConfig<NaViTConfig>("navit_factorized");
    const golden = await loadGolden("navit_factorized.adamw");
    const { trainer, inputs } = await goldenTrainer(device, config, golden, parts);
    const steps = golden.floats("loss").length;
    assert.equal(steps, 3);
    for (let step = 0; step < steps; step++) {
      trainer.runStep(inputs);
      const sums = await trainer.takeSums();
      const expected = (name: string) => golden.floats(name).subarray(step, step + 1);
      const measured = (name: string) => Float32Array.of(sums.get(name)!);
      assertClose(`loss ${step}`, measured("loss"), expected("loss"), tolerance);
      assertClose(`norm ${step}`, measured("gradientNorm"), expected("grad_norm"), 2 * tolerance);
      assert.equal(sums.get("skipped"), 0);
      for (const { name, shape } of trainer.state.specifications) {
        const actual = await trainer.state.parameters.get(name)!.read();
        assert.equal(actual.length, elementCount(shape));
        const tensor = `step${step + 1}.${name}`;
        assertClose(tensor, thinned(actual, golden), golden.floats(tensor), 5e-5);
      }
    }
  });
}
