/** Loss, gradients and AdamW steps of a DiT against PyTorch, on every device. */
import assert from "node:assert/strict";
import { addNoise, hybridLoss, scheduleAt } from "../../../diffusion/objective.ts";
import { linearSchedule } from "../../../diffusion/schedule.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { mean } from "../../../kernels/ops/reduce/op.ts";
import { elementCount } from "../../../kernels/shape.ts";
import { input, type Tensor } from "../../../kernels/tensor.ts";
import { dit, ditParameters } from "../../../models/dit/model.ts";
import { lookup, parameterStates } from "../../../nn/parameters.ts";
import { ditLosses } from "../../../models/dit/step.ts";
import { wholeStep } from "../../../training/step/step_graphs.ts";
import { scheduleAtStep, stateNames } from "../../../training/step/optimizer.ts";
import { adamwSchedule } from "../../../kernels/ops/optimizer/step.ts";
import { eachDefaultDevice, eachDevice } from "../../devices.ts";
import { assertClose, loadConfig, loadGolden, thinned } from "../../golden.ts";

/**
 * Gradients of the loss, as a part of the largest magnitude. At t = 0 the bin's mass is a difference
 * of two nearly equal float32 probabilities, on both sides: the float64 interpreter is 5e-4 away from
 * PyTorch's float32 here, and 1e-6 away where t > 1 (the AdamW paths below).
 */
const gradientTolerance = 1e-3;

for (const name of ["dit-latent", "dit-pixel"]) {
  eachDevice(`${name}: loss terms and gradients equal PyTorch's`, async (device) => {
    const config = await loadConfig(name);
    const [weights, golden] = [
      await loadGolden(`${name}.weights`),
      await loadGolden(`${name}.loss`),
    ];
    const shape = golden.shapes.get("input.x0")!;
    const specifications = ditParameters(config);
    const states = parameterStates(specifications);
    const [clean, noise] = [input("x0", shape), input("noise", shape)];
    const [t, y] = [input("t", [shape[0]], "i32"), input("y", [shape[0]], "i32")];
    const at = scheduleAt(linearSchedule(), t);
    const noised = addNoise(clean, noise, at);
    const prediction = dit(config, lookup(states), noised, t, y);
    const losses = hybridLoss({ clean, noised, noise, t, prediction, at });
    const outputs: Record<string, Tensor> = {
      "loss.mse": losses.meanSquaredError,
      "loss.vb": losses.variationalBound!,
      "loss.total": losses.total,
      xt: noised,
    };
    const compared = [...golden.shapes.keys()].filter((key) => key.startsWith("grad."));
    const found = gradients(mean(losses.total), compared.map((key) => states.get(key.slice(5))!));
    compared.forEach((key, index) => outputs[key] = found[index]);
    const executable = await device.load(compile(makeGraph("loss", { outputs })));
    for (const key of weights.shapes.keys()) executable.buffer(key).write(weights.floats(key));
    executable.buffer("x0").write(golden.floats("input.x0"));
    executable.buffer("noise").write(golden.floats("input.noise"));
    executable.buffer("t").write(golden.integers("input.t"));
    executable.buffer("y").write(golden.integers("input.y"));
    executable.run();
    const read = async (key: string) => await executable.buffer(key).read();
    assertClose("xt", await read("xt"), golden.floats("xt"), 1e-6);
    for (const key of ["loss.mse", "loss.vb", "loss.total"]) {
      assertClose(key, await read(key), golden.floats(key), 3e-5);
    }
    for (const key of compared) {
      assertClose(key, thinned(await read(key), golden), golden.floats(key), gradientTolerance);
    }
  });
}

/** What is learned by other objectives: model, file, settings. */
const objectiveCases = [
  ["dit-latent", "velocity-loss", { objective: "velocity", lossWeight: "min-snr" }],
  ["dit-latent", "min-snr-loss", { lossWeight: "min-snr" }],
  ["dit-rgb-plain", "flow-loss", { objective: "flow" }],
] as const;

for (const [name, file, settings] of objectiveCases) {
  eachDefaultDevice(`${name}.${file}: loss and gradients equal PyTorch's`, async (device) => {
    const config = await loadConfig(name);
    const [weights, golden] = [
      await loadGolden(`${name}.weights`),
      await loadGolden(`${name}.${file}`),
    ];
    const shape = golden.shapes.get("input.x0")!;
    const isFlow = !golden.has("loss.vb");
    const t = input("t", [shape[0]], isFlow ? "f32" : "i32");
    const noise = { t, noise: input("noise", shape), labels: input("y", [shape[0]], "i32") };
    const { states, loss, terms } = ditLosses(config, input("x0", shape), noise, settings);
    const outputs: Record<string, Tensor> = { loss, mse: terms.meanSquaredError };
    const compared = [...golden.shapes.keys()].filter((key) => key.startsWith("grad."));
    const found = gradients(loss, compared.map((key) => states.get(key.slice(5))!));
    compared.forEach((key, index) => outputs[key] = found[index]);
    const executable = await device.load(compile(makeGraph("loss", { outputs })));
    for (const key of weights.shapes.keys()) executable.buffer(key).write(weights.floats(key));
    for (const key of ["x0", "noise"]) {
      executable.buffer(key).write(golden.floats(`input.${key}`));
    }
    executable.buffer("t").write(isFlow ? golden.floats("input.t") : golden.integers("input.t"));
    executable.buffer("y").write(golden.integers("input.y"));
    executable.run();
    const read = async (key: string) => await executable.buffer(key).read();
    const average = (key: string): Float32Array => {
      const values = golden.floats(key);
      return Float32Array.of(values.reduce((sum, value) => sum + value) / values.length);
    };
    assertClose("loss", await read("loss"), average("loss.total"), 3e-5);
    if (!isFlow) assertClose("mse", await read("mse"), average("loss.mse"), 1e-5);
    for (const key of compared) {
      assertClose(key, thinned(await read(key), golden), golden.floats(key), 5e-5);
    }
  });
}

for (const path of ["dit-latent.adamw", "dit-latent.adamw-plain", "dit-pixel.adamw"]) {
  eachDevice(`${path}: three AdamW steps equal PyTorch's`, async (device) => {
    const [model] = path.split(".");
    const config = await loadConfig(model);
    const [weights, golden] = [await loadGolden(`${model}.weights`), await loadGolden(path)];
    const about = golden.about as {
      clip: number | null;
      ema: number;
      lr: number;
      weightDecay: number;
    };
    const [steps, batch, ...picture] = golden.shapes.get("x0")!;
    const shape = [batch, ...picture];
    const [t, labels] = [input("t", [batch], "i32"), input("y", [batch], "i32")];
    const noise = input("noise", shape);
    const losses = ditLosses(config, input("x0", shape), { t, noise, labels });
    const executable = await device.load(
      compile(wholeStep(losses, { clipNorm: about.clip ?? 0 }).update),
    );
    for (const { name, trainable } of ditParameters(config)) {
      executable.buffer(name).write(weights.floats(name));
      if (trainable) executable.buffer(stateNames.average(name)).write(weights.floats(name));
    }
    for (let step = 0; step < steps; step++) {
      for (const key of ["x0", "noise"]) {
        const size = elementCount(shape);
        executable.buffer(key).write(golden.floats(key).subarray(step * size, (step + 1) * size));
      }
      for (const key of ["t", "y"]) {
        const numbers = golden.integers(key).subarray(step * batch, (step + 1) * batch);
        executable.buffer(key).write(numbers);
      }
      const schedule = scheduleAtStep(step + 1, {
        learningRate: about.lr,
        weightDecay: about.weightDecay,
        clipNorm: about.clip ?? 0,
        averageDecay: about.ema,
      });
      // PyTorch's run used a fixed decay; ours warms up.
      schedule[adamwSchedule.averageDecay] = about.ema;
      executable.buffer("schedule").write(schedule);
      executable.buffer("sums").write(new Float32Array(5));
      executable.run();
      const [loss, , , norm, skipped] = await executable.buffer("sums").read();
      const expected = (key: string) => golden.floats(key).subarray(step, step + 1);
      assertClose(`loss ${step}`, Float32Array.of(loss), expected("loss"), 2e-5);
      assertClose(`norm ${step}`, Float32Array.of(norm), expected("grad_norm"), 5e-5);
      assert.equal(skipped, 0);
    }
    const { hidden } = config;
    for (const { name, trainable } of ditParameters(config)) {
      for (const [key, state] of [["param", name], ["ema", stateNames.average(name)]]) {
        if (!golden.has(`${key}.${name}`) || !trainable) continue;
        const actual = thinned(await executable.buffer(state).read(), golden);
        const expected = golden.floats(`${key}.${name}`);
        if (name.endsWith("attn.qkv.bias")) {
          // Softmax does not see a key bias: its gradient is rounding noise, which AdamW turns
          // into steps.
          for (const values of [actual, expected]) values.fill(0, hidden, 2 * hidden);
        }
        assertClose(`${key}.${name}`, actual, expected, 5e-5);
      }
    }
  });
}
