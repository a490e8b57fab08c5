/**
 * DiT against PyTorch: forward pass, vector-Jacobian products, counts, and the invariants of a fresh
 * model.
 */
import assert from "node:assert/strict";
import type { Device } from "../../../kernels/device.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { graphCost, makeGraph } from "../../../kernels/graph/graph.ts";
import { elementCount, storedBytes } from "../../../kernels/shape.ts";
import { input, type Tensor } from "../../../kernels/tensor.ts";
import {
  dit,
  type DiTConfig,
  ditParameters,
  publishedDiTConfigs,
} from "../../../models/dit/model.ts";
import { type Conditioning, conditionings } from "../../../models/dit/blocks.ts";
import { explainOtherDesign } from "../../../models/dit/designs.ts";
import { publishedDiT } from "../../../models/dit/published.ts";
import { forwardGraph } from "../../../models/dit/graph.ts";
import {
  countParameters,
  lookup,
  parameterStates,
  storedType,
  type WeightType,
} from "../../../nn/parameters.ts";
import { sineCosinePositions, timestepFeatureTable } from "../../../nn/positions.ts";
import { initializeParameters } from "../../../training/step/initialize.ts";
import { eachDefaultDevice, eachDevice } from "../../devices.ts";
import { assertClose, loadConfig, loadGolden } from "../../golden.ts";

/** Largest difference allowed, as a part of the largest magnitude; float32 rounding makes 1e-6. */
const tolerance = 1e-5;

const names = ["dit-latent", "dit-pixel", "dit-rgb-plain"];

function inputs(config: DiTConfig, batch: number) {
  const { channels, inputSize } = config;
  return {
    x: input("x", [batch, channels, inputSize, inputSize]),
    t: input("t", [batch], "i32"),
    y: input("y", [batch], "i32"),
  };
}

/** Forward pass and gradients of everything, as in the case files. */
function caseGraph(config: DiTConfig, batch: number) {
  const { x, t, y } = inputs(config, batch);
  const states = parameterStates(ditParameters(config));
  const out = dit(config, lookup(states), x, t, y);
  const wanted = [x, ...states.values()];
  const names = ["x", ...states.keys()];
  const found = gradients(out, wanted, input("cotangent", out.shape));
  const outputs: Record<string, Tensor> = { out };
  names.forEach((name, index) => outputs[`grad.${name}`] = found[index]);
  return makeGraph("case", { outputs });
}

/** The designs of a block besides adaLN-Zero. */
const designs = ["dit-in-context", "dit-cross-attention", "dit-adaln"];

for (const name of [...names, ...designs]) {
  // The designs are made of the same operations, which all devices have shown already.
  const each = designs.includes(name) ? eachDefaultDevice : eachDevice;
  each(`${name}: forward pass and every gradient equal PyTorch's`, async (device) => {
    const config = await loadConfig(name);
    const [weights, golden] = [
      await loadGolden(`${name}.weights`),
      await loadGolden(`${name}.case`),
    ];
    const executable = await device.load(
      compile(caseGraph(config, golden.shapes.get("input.x")![0])),
    );
    for (const parameter of weights.shapes.keys()) {
      executable.buffer(parameter).write(weights.floats(parameter));
    }
    executable.buffer("x").write(golden.floats("input.x"));
    executable.buffer("t").write(golden.integers("input.t"));
    executable.buffer("y").write(golden.integers("input.y"));
    executable.buffer("cotangent").write(golden.floats("cotangent.out"));
    executable.run();
    assertClose(
      "out",
      await executable.buffer("out").read(),
      golden.floats("output.out"),
      tolerance,
    );
    let compared = 0;
    for (const tensor of golden.shapes.keys()) {
      if (!tensor.startsWith("grad.")) continue;
      assertClose(tensor, await executable.buffer(tensor).read(), golden.floats(tensor), tolerance);
      compared++;
    }
    assert(compared > 15, `${compared} gradients compared`);
  });
}

for (const name of names) {
  eachDevice(`${name}: weights in half precision give what the rounded ones do`, async (device) => {
    const config = await loadConfig(name);
    const [weights, golden] = [
      await loadGolden(`${name}.weights`),
      await loadGolden(`${name}.case`),
    ];
    const forward = async (stored: WeightType): Promise<Float32Array> => {
      const graph = forwardGraph(config, golden.shapes.get("input.x")![0], stored);
      const executable = await device.load(compile(graph));
      for (const specification of ditParameters(config)) {
        const values = weights.floats(specification.name);
        const rounded = storedType(specification, "f16") === "f16";
        executable.buffer(specification.name).write(rounded ? values.map(Math.f16round) : values);
      }
      executable.buffer("x").write(golden.floats("input.x"));
      executable.buffer("t").write(golden.integers("input.t"));
      executable.buffer("y").write(golden.integers("input.y"));
      executable.run();
      return await executable.buffer("out").read() as Float32Array;
    };
    const [half, single] = [await forward("f16"), await forward("f32")];
    assertClose("out", half, single, 2e-6);
    const exact = golden.floats("output.out");
    assert(exact.some((value, index) => Math.abs(half[index] - value) > 1e-5), "nothing rounded");
    assertClose("out beside PyTorch's", half, exact, 2e-3);
  });
}

Deno.test("weights in half precision take half the memory; only vectors stay as they are", () => {
  const config = publishedDiTConfigs.get("DiT-XL/2")!;
  const bytes = (weights: WeightType): number =>
    compile(forwardGraph(config, 1, weights)).buffers
      .filter(({ kind }) => kind === "state")
      .reduce((sum, { dtype, elements }) => sum + storedBytes(dtype, elements), 0);
  assert.equal(bytes("f32"), 4 * published["DiT-XL/2"][0]);
  const ratio = bytes("f16") / bytes("f32");
  assert(ratio > 0.5 && ratio < 0.501, `${ratio}`);
});

/** Parameter counts, frozen positions and multiply-adds by the paper's sizes (DiT, Tables 1 and 4). */
const published: Record<string, [parameters: number, frozen: number, multiplyAdds: number]> = {
  "DiT-S/8": [33_148_160, 6_144, 357_974_016],
  "DiT-S/4": [32_945_024, 24_576, 1_412_579_328],
  "DiT-S/2": [32_963_360, 98_304, 6_055_673_856],
  "DiT-B/8": [130_881_536, 12_288, 1_417_543_680],
  "DiT-B/4": [130_475_648, 49_152, 5_565_186_048],
  "DiT-B/2": [130_512_416, 196_608, 23_005_102_080],
  "DiT-L/8": [458_594_816, 16_384, 5_011_406_848],
  "DiT-L/4": [458_053_760, 65_536, 19_695_665_152],
  "DiT-L/2": [458_102_816, 262_144, 80_697_622_528],
  "DiT-XL/8": [675_683_072, 18_432, 7_392_411_648],
  "DiT-XL/4": [675_074_432, 73_728, 29_043_671_040],
  "DiT-XL/2": [675_129_632, 294_912, 118_621_421_568],
};

function counts(config: DiTConfig) {
  const { x, t, y } = inputs(config, 1);
  const specifications = ditParameters(config);
  const out = dit(config, lookup(parameterStates(specifications)), x, t, y);
  const { multiplyAdds } = graphCost(makeGraph("count", { outputs: { out } }));
  return { ...countParameters(specifications), multiplyAdds };
}

Deno.test("all twelve sizes have the published parameters and multiply-adds, exactly", () => {
  assert.deepEqual([...publishedDiTConfigs.keys()], Object.keys(published));
  for (const [name, config] of publishedDiTConfigs) {
    const { parameters, trainableParameters, multiplyAdds } = counts(config);
    const row = [parameters, parameters - trainableParameters, multiplyAdds];
    assert.deepEqual(row, published[name], name);
  }
});

Deno.test("the four designs of a block have the published counts of DiT-XL/2, exactly", () => {
  const expected: Record<Conditioning, readonly [parameters: number, multiplyAdds: number]> = {
    "in-context": [449_326_112, 119_353_946_112],
    "cross-attention": [598_090_784, 137_602_842_624],
    "adaLN": [600_747_296, 118_547_103_744],
    "adaLN-Zero": [675_129_632, 118_621_421_568],
  };
  for (const conditioning of conditionings) {
    const config = { ...publishedDiTConfigs.get("DiT-XL/2")!, conditioning };
    const { parameters, multiplyAdds } = counts(config);
    assert.deepEqual([parameters, multiplyAdds], expected[conditioning], conditioning);
    const { difference } = publishedDiT.fields(config, 256, multiplyAdds);
    assert(Math.abs(difference!) < 2e-4, `${conditioning} is ${difference} off the paper's Gflops`);
  }
});

Deno.test("weights of another design are told from those of the model, and named", async () => {
  const shapesOf = (config: DiTConfig) =>
    new Map(ditParameters(config).map(({ name, shape }) => [name, shape]));
  const config: DiTConfig = await loadConfig("dit-in-context");
  for (const conditioning of conditionings) {
    const said = explainOtherDesign(config)!(shapesOf({ ...config, conditioning }));
    if (conditioning === config.conditioning) assert.equal(said, undefined);
    else {assert.match(
        said!,
        new RegExp(`of a DiT with ${conditioning} conditioning, this.*in-con`),
      );}
  }
  const wider = explainOtherDesign(config)!(shapesOf({ ...config, hidden: 32 }));
  assert.equal(wider, undefined);
});

Deno.test("DiT-XL/2 at 512 pixels has the published counts", () => {
  const found = counts({ ...publishedDiTConfigs.get("DiT-XL/2")!, inputSize: 64 });
  assert.equal(found.parameters, 676_014_368);
  assert.equal(found.multiplyAdds, 524_538_298_368);
});

Deno.test("the position table has the values of the formula", () => {
  const token = sineCosinePositions(16, 16, 384).subarray(18 * 384, 19 * 384);
  const places = [0, 1, 95, 96, 97, 191, 192, 193, 287, 288, 289, 383];
  const expected = [
    0.909297,
    0.969836,
    0.00022,
    -0.416147,
    -0.243758,
    1.0,
    0.841471,
    0.788593,
    0.00011,
    0.540302,
    0.614915,
    1.0,
  ];
  places.forEach((place, index) => assert(Math.abs(token[place] - expected[index]) < 5e-6));
});

Deno.test("the time-step features have the values of the formula", () => {
  const features = timestepFeatureTable(1000, 256).subarray(500 * 256, 501 * 256);
  const places = [0, 1, 2, 64, 127, 128, 129, 130, 192, 255];
  const expected = [
    -0.883849,
    0.945943,
    0.848515,
    0.283662,
    0.998557,
    -0.467772,
    0.324334,
    -0.529172,
    -0.958924,
    0.053705,
  ];
  places.forEach((place, index) => assert(Math.abs(features[place] - expected[index]) < 5e-7));
});

async function freshOutput(device: Device, finalLayer?: (length: number) => Float32Array) {
  const config = await loadConfig("dit-pixel");
  const specifications = ditParameters(config);
  const { x, t, y } = inputs(config, 2);
  const out = dit(config, lookup(parameterStates(specifications)), x, t, y);
  const executable = await device.load(compile(makeGraph("fresh", { outputs: { out } })));
  const buffers = new Map(specifications.map(({ name }) => [name, executable.buffer(name)]));
  await initializeParameters(device, specifications, buffers, 7);
  if (finalLayer) {
    const weight = buffers.get("final_layer.linear.weight")!;
    weight.write(finalLayer(weight.elements));
  }
  const pixels = Float32Array.from({ length: elementCount(x.shape) }, (_, i) => Math.sin(i));
  executable.buffer("x").write(pixels);
  executable.buffer("t").write(Int32Array.of(0, 999));
  executable.buffer("y").write(Int32Array.of(0, 10));
  const run = async () => {
    executable.run();
    return await executable.buffer("out").read() as Float32Array;
  };
  return { run, buffers };
}

eachDevice("a fresh DiT puts out exactly zero for any input", async (device) => {
  const { run } = await freshOutput(device);
  assert((await run()).every((value) => value === 0));
});

eachDevice(
  "the blocks of a fresh DiT are identities: their weights do not matter",
  async (device) => {
    const { run, buffers } = await freshOutput(
      device,
      (length) => Float32Array.from({ length }, (_, i) => Math.cos(3 * i)),
    );
    const before = (await run()).slice();
    assert(before.some((value) => value !== 0));
    for (const [name, buffer] of buffers) {
      const isBranch = /^blocks\.\d+\.(attn|mlp)\./.test(name);
      if (isBranch) {
        buffer.write(
          Float32Array.from({ length: buffer.elements }, (_, i) => Math.sin(i)),
        );
      }
    }
    assert.deepEqual(await run(), before);
  },
);
