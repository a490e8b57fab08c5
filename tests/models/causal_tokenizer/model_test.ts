/** The causal tokenizer against PyTorch, its causality, its counts. */
import assert from "node:assert/strict";
import { InputError } from "../../../base/errors.ts";
import type { Device } from "../../../kernels/device.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import type { Shape } from "../../../kernels/shape.ts";
import { input, type Tensor } from "../../../kernels/tensor.ts";
import { checkCausalTokenizerConfig } from "../../../models/causal_tokenizer/config.ts";
import { causalTokenizerCodec } from "../../../models/causal_tokenizer/graph.ts";
import { imageForm, inflation } from "../../../models/causal_tokenizer/inflate.ts";
import {
  type CausalTokenizerConfig,
  causalTokenizerConfigs,
  causalTokenizerParameters,
  decoder,
  encoder,
} from "../../../models/causal_tokenizer/model.ts";
import { checkClipSize, clipSize, latentSize } from "../../../models/codec.ts";
import {
  countParameters,
  lookup,
  mismatch,
  parameterStates,
  within,
} from "../../../nn/parameters.ts";
import { eachDevice } from "../../devices.ts";
import { assertClose, type Golden, loadConfig, loadGolden, thinned } from "../../golden.ts";

const halves = { encoder: ["video", "latent"], decoder: ["latent", "video"] } as const;
type Half = keyof typeof halves;

const loadNamed = (name: string): Promise<CausalTokenizerConfig> =>
  loadConfig<CausalTokenizerConfig>(`causal_tokenizer_${name}`);

const weightsOf = (golden: Golden): Map<string, Float32Array> =>
  new Map([...golden.shapes.keys()].map((name) => [name, golden.floats(name)]));

/** A half traced on an input `x` of a shape. */
function trace(config: CausalTokenizerConfig, half: Half, shape: Shape) {
  const specifications = causalTokenizerParameters(config)
    .filter(({ name }) => name.startsWith(half));
  const states = parameterStates(specifications);
  const x = input("x", shape);
  const network = half === "encoder" ? encoder : decoder;
  return { x, states, out: network(config, within(lookup(states), half), x) };
}

/** Runs a graph of outputs; reads all of them. */
async function run(
  device: Device,
  outputs: Record<string, Tensor>,
  inputs: ReadonlyMap<string, Float32Array>,
): Promise<Map<string, Float32Array>> {
  const executable = await device.load(compile(makeGraph("test", { outputs })));
  try {
    for (const [name, values] of inputs) executable.buffer(name).write(values);
    executable.run();
    const results = new Map<string, Float32Array>();
    for (const name of Object.keys(outputs)) {
      results.set(name, Float32Array.from(await executable.buffer(name).read()));
    }
    return results;
  } finally {
    executable.destroy();
  }
}

/** What a half makes of x with these weights. */
async function apply(
  device: Device,
  config: CausalTokenizerConfig,
  half: Half,
  weights: ReadonlyMap<string, Float32Array>,
  x: { readonly shape: Shape; readonly values: Float32Array },
): Promise<Float32Array> {
  const { states, out } = trace(config, half, x.shape);
  const given = [...states.keys()].map((name) => [name, weights.get(name)!] as const);
  return (await run(device, { out }, new Map([...given, ["x", x.values]]))).get("out")!;
}

for (const name of ["clips", "pictures"]) {
  for (const half of ["encoder", "decoder"] as const) {
    eachDevice(
      `causal tokenizer, ${name}: the ${half} and its gradients are PyTorch's`,
      async (device) => {
        const config = await loadNamed(name);
        const golden = await loadGolden(`causal_tokenizer_${name}.case`);
        const weights = weightsOf(await loadGolden(`causal_tokenizer_${name}.weights`));
        const [from, to] = halves[half];
        const { x, states, out } = trace(config, half, golden.shapes.get(`input.${from}`)!);
        const sources = [...states, [from, x] as const];
        const found = gradients(
          out,
          sources.map(([, tensor]) => tensor),
          input("cotangent", out.shape),
        );
        const outputs = Object.fromEntries(
          sources.map(([source], i) => [`grad.${source}`, found[i]]),
        );
        const results = await run(
          device,
          { out, ...outputs },
          new Map([
            ...[...states.keys()].map((key) => [key, weights.get(key)!] as const),
            ["x", golden.floats(`input.${from}`)],
            ["cotangent", golden.floats(`cotangent.${to}`)],
          ]),
        );
        assert.deepEqual(out.shape, golden.shapes.get(`output.${to}`));
        assertClose(to, results.get("out")!, golden.floats(`output.${to}`), 2e-5);
        for (const key of Object.keys(outputs)) {
          assertClose(key, thinned(results.get(key)!, golden), golden.floats(key), 2e-4);
        }
      },
    );
  }
}

/** Weights of pictures as those of clips. */
function inflated(config: CausalTokenizerConfig, pictures: ReadonlyMap<string, Float32Array>) {
  const { convert } = inflation(config)!;
  return new Map([...pictures].map(([name, values]) => [name, convert(name, values)]));
}

eachDevice(
  "causal tokenizer: a picture is the first frame of a clip, inflated or not",
  async (device) => {
    const config = await loadNamed("clips");
    const pictures = weightsOf(await loadGolden("causal_tokenizer_pictures.weights"));
    const clip = await loadGolden("causal_tokenizer_clips.case");
    const weights = inflated(config, pictures);
    const [, , frames, height, width] = clip.shapes.get("input.video")!;
    const plane = height * width;
    const values = clip.floats("input.video").subarray(0, 3 * frames * plane);
    const first = Float32Array.from(
      { length: 3 * plane },
      (_, i) => values[Math.floor(i / plane) * frames * plane + i % plane],
    );
    const one = { shape: [1, 3, 1, height, width], values: first };
    const whole = await apply(device, config, "encoder", weights, {
      shape: [1, 3, frames, height, width],
      values,
    });
    const alone = await apply(device, config, "encoder", weights, one);
    const flat = await apply(device, imageForm(config), "encoder", pictures, one);
    const size = plane / 16;
    const ofFirst = whole.filter((_, i) => i % (whole.length / config.latentChannels) < size);
    assertClose("first latent frame", ofFirst, alone, 1e-6);
    assertClose("the picture's latent", alone, flat, 1e-6);
  },
);

Deno.test("causal tokenizer: inflated weights are PyTorch's", async () => {
  const golden = await loadGolden("causal_tokenizer_inflated");
  const pictures = weightsOf(await loadGolden("causal_tokenizer_pictures.weights"));
  const config = await loadNamed("clips");
  const weights = inflated(config, pictures);
  for (const [name, values] of weights) {
    assert.deepEqual(thinned(values, golden), golden.floats(name), name);
  }
  assert.equal(inflation(imageForm(config)), undefined);
});

Deno.test("causal tokenizer: names and shapes are PyTorch's, and counts the architecture's", async () => {
  for (const name of ["clips", "pictures"]) {
    const config = checkCausalTokenizerConfig(await loadNamed(name), name);
    const { shapes } = await loadGolden(`causal_tokenizer_${name}.weights`);
    assert.equal(mismatch(causalTokenizerParameters(config), shapes), undefined);
  }
  const millions = (name: string) => {
    const { parameters } = countParameters(
      causalTokenizerParameters(causalTokenizerConfigs.get(name)!),
    );
    return Math.round(parameters / 1e5) / 10;
  };
  assert.equal(millions("CausalTokenizer"), 370.4);
  assert.equal(millions("ImageTokenizer"), 102.6);
});

Deno.test("causal tokenizer: configurations and sizes that do not fit are refused", () => {
  const config = causalTokenizerConfigs.get("CausalTokenizer")!;
  for (const valid of causalTokenizerConfigs.values()) {
    assert.deepEqual(checkCausalTokenizerConfig(valid, "c"), valid);
  }
  const refused = (change: object, message: RegExp) =>
    assert.throws(
      () => checkCausalTokenizerConfig({ ...config, ...change }, "c"),
      (error) => error instanceof InputError && message.test(error.message),
    );
  refused({ groups: 48 }, /width 128 .* nearest widths: 96 and 144/);
  refused({ temporalKernel: 1 }, /all must be false/);
  refused({ temporalDownsampling: [true] }, /3 down-samplings .* not 1/);
  const grid = causalTokenizerCodec.grid(config);
  const size = { frames: 17, height: 128, width: 64 };
  checkClipSize(grid, size, "c");
  assert.deepEqual(latentSize(grid, size), { frames: 5, height: 16, width: 8 });
  assert.deepEqual(clipSize(grid, latentSize(grid, size)), size);
  assert.throws(() => checkClipSize(grid, { ...size, frames: 16 }, "c"), /13 and 17/);
  assert.throws(() => checkClipSize(grid, { ...size, frames: 0 }, "c"), /nearest numbers: 1$/);
  assert.throws(() => checkClipSize(grid, { ...size, width: 60 }, "c"), /56 and 64/);
});
