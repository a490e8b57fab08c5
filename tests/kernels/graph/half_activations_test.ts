/** Which results a program keeps in half precision. */
import assert from "node:assert/strict";
import type { Executable } from "../../../kernels/device.ts";
import { binary, constant, select } from "../../../kernels/expression.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { type Graph, type GraphParts, makeGraph } from "../../../kernels/graph/graph.ts";
import { attention } from "../../../kernels/ops/attention/op.ts";
import { add, map, multiply, silu, square, subtract } from "../../../kernels/ops/elementwise/op.ts";
import { gather } from "../../../kernels/ops/embedding/op.ts";
import { layerNorm } from "../../../kernels/ops/layer_norm/op.ts";
import { linear } from "../../../kernels/ops/matmul/op.ts";
import { concatenate, reshape, slice, split } from "../../../kernels/ops/movement/op.ts";
import { adamw } from "../../../kernels/ops/optimizer/op.ts";
import { averagePool, maximumPool } from "../../../kernels/ops/pooling/op.ts";
import { randomUniform } from "../../../kernels/ops/random/op.ts";
import { mean, reduceSum } from "../../../kernels/ops/reduce/op.ts";
import { adamwSchedule } from "../../../kernels/ops/optimizer/step.ts";
import type { Program, Step } from "../../../kernels/program.ts";
import { allocatedBytes, programAllocations } from "../../../kernels/footprint.ts";
import { input, state, type Tensor } from "../../../kernels/tensor.ts";
import type { View } from "../../../kernels/view.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { createWebGPUDevice } from "../../../kernels/webgpu/device.ts";
import { selectDevice } from "../../../kernels/select_device.ts";
import { halfActivationsTest } from "../../half_activations.ts";
import { interpret } from "../../reference/interpreter.ts";
import { available } from "../webgpu/cases.ts";

const compiled = (parts: GraphParts, activations: "f16" | "f32" = "f16"): Program =>
  compile(makeGraph("test", parts), { activations });

/** Kinds of steps with the types of what they write. */
const written = ({ steps }: Program): string[] =>
  steps.map((step) => `${step.kind} ${(step as Step & { output: View }).output.dtype}`);

const [width, tokens] = [8, 6];
const weight = (name: string) => state(name, [width, width]);

/** A block with a residual stream: what a transformer does. */
function block(x: Tensor): Tensor {
  const [query, key, value] = split(
    linear(layerNorm(x, 1e-6), state("qkv", [3 * width, width])),
    3,
    -1,
  )
    .map((part) => reshape(part, [1, tokens, 2, width / 2]));
  const mixed = reshape(attention(query, key, value), [tokens, width]);
  const after = add(x, linear(mixed, weight("out")));
  return add(after, linear(silu(linear(layerNorm(after, 1e-6), weight("in"))), weight("up")));
}

const x = input("x", [tokens, width]);
const target = input("target", [tokens, width]);
const network = (): Tensor =>
  linear(
    block(add(linear(x, weight("embed")), state("positions", [tokens, width]))),
    weight("head"),
  );

Deno.test("everything between the operations of a network is in half precision, outputs are not", () => {
  const program = compiled({ outputs: { y: network() } });
  const types = program.buffers.filter(({ kind }) => kind === "temporary").map(
    ({ name, dtype }) => `${name} ${dtype}`,
  );
  // The log-sum-exp of attention, and statistics of layer norms, which nothing reads here.
  const statistics = ["attention f32", "layerNorm f32", "layerNorm f32"];
  assert.deepEqual(types.filter((type) => type.endsWith("f32")).sort(), statistics);
  assert.equal(types.filter((type) => type.endsWith("f16")).length, 8);
  for (const { kind, dtype } of program.buffers) assert(kind === "temporary" || dtype === "f32");
  const single = compiled({ outputs: { y: network() } }, "f32");
  assert.equal(program.steps.length, single.steps.length);
  const bytes = ({ slots }: Program) => slots.reduce((sum, slot) => sum + slot);
  assert(bytes(program) < 0.6 * bytes(single), `${bytes(program)} of ${bytes(single)}`);
});

Deno.test("losses, statistics and the gradients of weights stay in single precision", () => {
  const head = weight("head");
  const hidden = silu(linear(x, weight("first")));
  const prediction = linear(hidden, head);
  const loss = mean(square(subtract(prediction, target)));
  const [gradient] = gradients(loss, [head]);
  const [firstMoment, secondMoment] = [weight("m"), weight("v")];
  const [schedule, gradientScale] = [input("schedule", [adamwSchedule.length]), input("scale", [])];
  const update = adamw({
    ...{ parameter: head, gradient, firstMoment, secondMoment, schedule, gradientScale },
  });
  const program = compiled({ outputs: { loss }, effects: [update] });
  // The hidden layer alone is an activation: the prediction is part of the loss.
  assert.deepEqual(written({ ...program, steps: program.steps.slice(0, -1) }), [
    "matmul f16",
    "matmul f32",
    "reduce f32",
    "elementwise f32",
    "elementwise f32",
    "matmul f32",
  ]);
});

Deno.test("the arithmetic of a sampler stays in single precision, parts that it shares too", () => {
  const sample = state("sample", [tokens, width]);
  const noise = linear(silu(linear(sample, weight("first"))), weight("second"));
  const clean = subtract(multiply(sample, 1.5), noise);
  const next = add(multiply(sample, 0.3), multiply(clean, 0.7));
  const program = compiled({
    outputs: { clean },
    updates: [{ state: sample, value: next }],
  });
  assert.deepEqual(written(program).filter((step) => step.endsWith("f16")), ["matmul f16"]);
});

Deno.test("what follows a whole tensor in single precision does so, statistics of it do not matter", () => {
  const hidden = linear(x, weight("first"));
  const again = (value: Tensor) => linear(value, weight("second"));
  const centered = subtract(hidden, reshape(mean(hidden, [1]), [tokens, 1]));
  assert.deepEqual(
    written(compiled({ outputs: { y: again(centered), z: reduceSum(square(centered)) } })),
    ["matmul f16", "reduce f32", "elementwise f16", "matmul f32", "reduce f32"],
  );
  const offset = add(hidden, target);
  assert.deepEqual(
    written(compiled({ outputs: { y: again(offset), z: reduceSum(square(offset)) } })),
    ["matmul f32", "matmul f32", "reduce f32"],
  );
  const scaled = silu(multiply(target, 2));
  assert.deepEqual(
    written(compiled({ outputs: { y: again(scaled), z: reduceSum(scaled) } })),
    ["elementwise f32", "matmul f32", "reduce f32"],
  );
});

Deno.test("inputs in half precision are activations, weights say nothing about them", () => {
  const half = input("half", [tokens, width], "f16");
  const weights = state("w", [width, width], "f16");
  const normed = compiled({ outputs: { y: linear(layerNorm(silu(half), 1e-6), weights) } });
  assert.deepEqual(written(normed), ["elementwise f16", "layerNorm f16", "matmul f32"]);
  const table = state("table", [tokens, width], "f16");
  assert.deepEqual(
    written(compiled({ outputs: { y: linear(silu(multiply(table, 2)), weight("w")) } })),
    ["elementwise f32", "matmul f32"],
  );
});

Deno.test("rows of a table, and what is put beside a state, are in half precision", () => {
  const past = state("past", [2, width]);
  const rows = gather(weight("table"), input("indices", [tokens], "i32"));
  const joined = concatenate([past, rows], 0);
  const program = compiled({
    outputs: { y: linear(joined, weight("first")) },
    updates: [{ state: past, value: slice(joined, 0, tokens, 2) }],
  });
  assert.deepEqual(written(program), [
    "gather f16",
    "elementwise f16",
    "elementwise f16",
    "matmul f32",
    "elementwise f32",
  ]);
});

/** Random numbers for every element of `like`. */
const chances = (like: Tensor): Tensor =>
  randomUniform({
    seed: input("seed", [2], "i32"),
    rows: input("rows", [like.shape[0]], "i32"),
    draw: input("draw", [], "i32"),
    stream: 1,
  }, like.shape);

/** A quarter of the elements are 0, the others a third larger. */
const dropped = (x: Tensor): Tensor =>
  map(
    (value, chance) =>
      select(
        binary("less", chance, constant(0.25)),
        constant(0),
        binary("multiply", value, constant(4 / 3)),
      ),
    x,
    chances(x),
  );

/** The same by a mask. */
const masked = (x: Tensor): Tensor =>
  multiply(
    x,
    map(
      (chance) => select(binary("less", chance, constant(0.25)), constant(0), constant(4 / 3)),
      chances(x),
    ),
  );

Deno.test("what is only compared decides nothing: dropout keeps activations in half precision", () => {
  const first = weight("first");
  const predicted = (drop: (x: Tensor) => Tensor): Tensor =>
    linear(drop(silu(linear(x, first))), weight("second"));
  const inSingle = (drop: (x: Tensor) => Tensor): string[] => {
    const [gradient] = gradients(mean(square(subtract(predicted(drop), target))), [first]);
    return written(compiled({ outputs: { gradient } })).filter((step) => step.endsWith("f32"))
      .sort();
  };
  for (const drop of [dropped, masked]) {
    assert.deepEqual(
      written(compiled({ outputs: { y: predicted(drop) } })),
      ["random f32", "matmul f16", "matmul f32"],
    );
    // The gradient takes a mask from memory.
    const mask = drop === masked ? ["elementwise f32"] : [];
    assert.deepEqual(inSingle(drop), [...mask, ...inSingle((x) => x), "random f32"]);
  }
});

Deno.test("maxima and means of windows are in half precision as what they look at is", () => {
  for (const pool of [averagePool, maximumPool]) {
    const hidden = reshape(silu(linear(x, weight("first"))), [1, tokens, width]);
    const pooled = pool(hidden, { window: [3], strides: [2], padding: [[1, 1]] });
    const y = linear(reshape(pooled, [3, width]), weight("second"));
    const steps = written(compiled({ outputs: { y } }));
    assert.deepEqual(steps.filter((step) => step.endsWith("f32")), ["matmul f32"], `${steps}`);
  }
});

/** Weights and samples that keep numbers near 1 from layer to layer. */
const ripple = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => 0.6 * Math.sin(7 * i * i + seed));

/** A network's output, and the slope of its loss by the input. */
function withSlope(y: Tensor): Graph {
  const [slope] = gradients(mean(square(subtract(y, target))), [x]);
  return makeGraph("network", { outputs: { y, slope } });
}

/** Runs a program, and compares it with the same graph in single precision. */
async function assertWithinRoundings(
  graph: Graph,
  { buffers }: Program,
  executable: Executable,
): Promise<void> {
  const fill = (role: "input" | "state") =>
    new Map(
      buffers.filter(({ kind }) => kind === role).map(({ name, elements, dtype }, index) => [
        name,
        dtype === "i32"
          ? Int32Array.from({ length: elements }, (_, i) => i)
          : ripple(elements, index),
      ]),
    );
  const [inputs, states] = [fill("input"), fill("state")];
  const expected = interpret(compile(graph), inputs, states);
  for (const [name, data] of [...inputs, ...states]) executable.buffer(name).write(data);
  executable.run();
  for (const [name, values] of expected) {
    if (states.has(name)) continue;
    const found = await executable.buffer(name).read();
    const largest = Math.max(...values.map(Math.abs));
    const errors = values.map((value, i) => Math.abs(value - found[i]) / largest);
    const worst = Math.max(...errors);
    assert(worst < 2 ** -8 && worst > 2 ** -16, `${name}: ${worst}`);
  }
}

halfActivationsTest(
  "a network and its gradients come out within roundings of half precision, in the memory that was planned",
  async (device) => {
    assert.match(device.description, /, activations in f16$/);
    const graph = withSlope(network());
    const program = compile(graph, device);
    const before = device.allocatedBytes;
    const executable = await device.load(program);
    const planned = programAllocations(program, device.kind, new Set())
      .reduce((sum, { bytes }) => sum + allocatedBytes(bytes, device.kind), 0);
    // The statistics of attention's gradient, and tables of offsets.
    const scratch = device.allocatedBytes - before - planned;
    assert(scratch >= 0 && scratch < 1024, `${scratch}`);
    await assertWithinRoundings(graph, program, executable);
    executable.destroy();
  },
);

halfActivationsTest(
  "dropout and means of windows come out within roundings of half precision",
  async (device) => {
    const hidden = dropped(silu(linear(x, weight("first"))));
    const pooled = averagePool(reshape(hidden, [1, tokens, width]), {
      window: [3],
      padding: [[1, 1]],
    });
    const graph = withSlope(linear(reshape(pooled, [tokens, width]), weight("second")));
    const program = compile(graph, device);
    const executable = await device.load(program);
    await assertWithinRoundings(graph, program, executable);
    executable.destroy();
  },
);

Deno.test("a device that cannot keep activations in half precision says so", async () => {
  await assert.rejects(
    selectDevice({ device: "wasm", threads: 1, activations: "f16" }),
    /^InputError: activations in f16: the wasm device \(asked for\) keeps f32 only; f16 needs --device webgpu/,
  );
  const wasm = await createWasmDevice({ threads: 1 });
  const program = compiled({ outputs: { y: network() } });
  await assert.rejects(wasm.load(program), /half precision where it cannot be read/);
  wasm.close();
});

Deno.test({
  name: "an adapter without the feature is refused by name",
  ignore: !available,
  async fn() {
    await assert.rejects(
      createWebGPUDevice({ specFloor: true, activations: "f16" }),
      /activations in f16: .* does not offer the WebGPU feature shader-f16; take f32/,
    );
  },
});
