/** W.A.L.T's denoiser: what must hold whatever the weights are. */
import assert from "node:assert/strict";
import type { Device } from "../../../kernels/device.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import type { HostArray } from "../../../kernels/shape.ts";
import { checkWaltConfig, overrideWaltConfig } from "../../../models/walt/config.ts";
import { traceWalt, waltInputShapes } from "../../../models/walt/graph.ts";
import {
  walt,
  type WaltConfig,
  waltConfigs,
  type WaltInputs,
  waltParameters,
} from "../../../models/walt/model.ts";
import { input } from "../../../kernels/tensor.ts";
import { elementCount } from "../../../kernels/shape.ts";
import { countParameters, lookup, parameterStates } from "../../../nn/parameters.ts";
import { ripple } from "../../../base/ripple.ts";
import { openDevice } from "../../../kernels/devices.ts";
import { loadConfig, loadGolden } from "../../golden.ts";

const load = (name: string): Promise<WaltConfig> => loadConfig<WaltConfig>(`walt_${name}`);

/** The weights of a fixture. */
async function weightsOf(name: string): Promise<Map<string, Float32Array>> {
  const golden = await loadGolden(`walt_${name}.weights`);
  return new Map([...golden.shapes.keys()].map((key) => [key, golden.floats(key)]));
}

/** Runs a body on one thread. */
async function onDevice<T>(body: (device: Device) => Promise<T>): Promise<T> {
  const device = await openDevice("wasm", { threads: 1 });
  try {
    return await body(device);
  } finally {
    device.close();
  }
}

/** What the model makes of inputs; those that are not given are left out. */
async function apply(
  config: WaltConfig,
  weights: ReadonlyMap<string, HostArray>,
  given: Readonly<Record<string, HostArray>>,
): Promise<Float32Array> {
  const sizes = { batch: 1, labelGroups: 1, textGroups: 1, words: 1, images: "isImage" in given };
  const shapes = waltInputShapes(config, sizes).filter(([name]) => name in given);
  const inputs = Object.fromEntries(
    shapes.map(([name, shape, dtype]) => [name, input(name, shape, dtype)]),
  );
  const states = parameterStates(waltParameters(config));
  const out = walt(config, lookup(states), inputs as unknown as WaltInputs);
  return await onDevice(async (device) => {
    const executable = await device.load(compile(makeGraph("test", { outputs: { out } })));
    try {
      for (const [name, values] of [...weights, ...Object.entries(given)]) {
        executable.buffer(name).write(values);
      }
      executable.run();
      return Float32Array.from(await executable.buffer("out").read());
    } finally {
      executable.destroy();
    }
  });
}

/** Some latents of one element. */
const latents = ({ latentChannels, latentFrames, latentSize }: WaltConfig, seed: number) =>
  ripple(elementCount([latentChannels, latentFrames, ...latentSize]), seed);

/** The same latents with others in all frames but the first. */
function withOtherFrames(config: WaltConfig, values: Float32Array): Float32Array {
  const { latentFrames, latentSize } = config;
  const frame = elementCount(latentSize);
  return values.map((value, index) =>
    Math.floor(index / frame) % latentFrames === 0 ? value : -0.7 * value
  );
}

/** The first frame of latents, channel by channel. */
function firstFrame(config: WaltConfig, values: Float32Array): number[] {
  const { latentFrames, latentSize } = config;
  const frame = elementCount(latentSize);
  return [...values].filter((_, index) => Math.floor(index / frame) % latentFrames === 0);
}

Deno.test("a picture of a stack does not depend on the others; a frame of a clip does", async () => {
  const config = await load("classes");
  const weights = await weightsOf("classes");
  const [t, y] = [Int32Array.of(300), Int32Array.of(2)];
  const x = latents(config, 3);
  const outcome = async (image: number, values: Float32Array) =>
    firstFrame(
      config,
      await apply(config, weights, { x: values, t, y, isImage: Int32Array.of(image) }),
    );
  const other = withOtherFrames(config, x);
  assert.deepEqual(await outcome(1, other), await outcome(1, x));
  assert.notDeepEqual(await outcome(0, other), await outcome(0, x));
});

Deno.test("without isImage elements are clips; without an estimate or given frames there are zeros", async () => {
  const config = await load("prediction");
  const weights = await weightsOf("prediction");
  const [t, y] = [Int32Array.of(300), Int32Array.of(2)];
  const x = latents(config, 3);
  const zeros = new Float32Array(x.length);
  const frameMask = new Int32Array(config.latentFrames);
  const plain = await apply(config, weights, { x, t, y });
  const given = { selfCondition: zeros, frameCondition: latents(config, 5), frameMask };
  assert.deepEqual(
    await apply(config, weights, { x, t, y, isImage: Int32Array.of(0), ...given }),
    plain,
  );
});

Deno.test("new weights give zeros: every layer begins as the identity", () => {
  const zeros = waltParameters(waltConfigs.get("WALT-XS")!)
    .filter(({ initial }) => initial.kind === "zeros").map(({ name }) => name);
  assert(zeros.includes("final_layer.linear.weight"));
  assert(zeros.includes("adaLN_modulation.1.weight"));
  assert(zeros.includes("layers.3.adaLN_lora.up.weight"));
  assert(zeros.includes("layers.3.attn.relative_bias"));
});

Deno.test("positions begin as large as tokens, so that the order of frames is learned", () => {
  const positions = waltParameters(waltConfigs.get("WALT-XS")!)
    .filter(({ name }) => name.startsWith("pos_embed"));
  assert.equal(positions.length, 2);
  for (const { initial } of positions) {
    assert.deepEqual(initial, { kind: "normal", deviation: 0.5 });
  }
});

Deno.test("named sizes: they pass their own check, and small ones are small", () => {
  for (const [name, config] of waltConfigs) {
    assert.deepEqual(checkWaltConfig(config, name), config);
  }
  const count = (name: string) => countParameters(waltParameters(waltConfigs.get(name)!));
  assert.deepEqual(count("WALT-XS").parameters, 1_399_100);
  assert.deepEqual(count("WALT-S").parameters, 23_026_928);
  const shared = overrideWaltConfig(waltConfigs.get("WALT-XS")!, { adaLNRank: null }, "XS");
  assert(countParameters(waltParameters(shared)).parameters > 1_399_100);
});

Deno.test("inputs that the configuration does not go with are refused", async () => {
  const config = await load("text");
  const size = { batch: 2, labelGroups: 1, textGroups: 2, words: 3, images: true };
  assert.throws(() => traceWalt(config, size), /text \(2, 2, 3, 6\) is neither for whole elements/);
  const states = lookup(parameterStates(waltParameters(config)));
  const x = input("x", [1, config.latentChannels, config.latentFrames, ...config.latentSize]);
  const inputs = { x, t: input("t", [1], "i32") };
  assert.throws(() => walt(config, states, inputs), /the input text is missing/);
});
