/** Checkpoints loaded in half precision: the same pictures from half the memory, and clear refusals. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { openSafetensors, writeSafetensors } from "../../../formats/tensors/safetensors.ts";
import type { Device } from "../../../kernels/device.ts";
import { elementCount } from "../../../kernels/shape.ts";
import { ditParameters } from "../../../models/dit/model.ts";
import { storedType, type WeightType } from "../../../nn/parameters.ts";
import {
  createDiTSampler,
  type DiTSource,
  findDiT,
  loadDiT,
} from "../../../models/dit/sampling.ts";
import { samplesToBitmaps } from "../../../diffusion/samples/picture_files.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { eachDevice } from "../../devices.ts";
import { halfActivationsTest } from "../../half_activations.ts";
import { assertClose, loadConfig, loadGolden } from "../../golden.ts";

/** The checkpoint that ships with the project: its weights are in half precision already. */
const shipped = await findDiT("models/checkpoints/fashion", "ema");

/** Draws a few pictures; says how much memory the weights took. */
async function draw(device: Device, source: DiTSource, weights: WeightType) {
  const before = device.allocatedBytes;
  const parameters = await loadDiT(device, source, weights);
  const bytes = device.allocatedBytes - before;
  const program = await createDiTSampler(device, source.config, parameters, {
    ...{ sampler: "ddim", steps: 4, clipDenoised: true, batchSize: 2, guidance: { scale: 2 } },
    objective: source.objective,
  });
  const values = await program.sample({ seed: 3, labels: [1, 7, 9] });
  program.destroy();
  for (const buffer of parameters.values()) buffer.destroy();
  assert.equal(device.allocatedBytes, before);
  return { values, bytes };
}

eachDevice("the shipped checkpoint draws the same pictures in half precision", async (device) => {
  const single = await draw(device, shipped, "f32");
  const half = await draw(device, shipped, "f16");
  assertClose("pictures", half.values, single.values, 1e-6);
  const [a, b] = [half, single].map(({ values }) => samplesToBitmaps(values, shipped.config));
  assert.deepEqual(a.map(({ data }) => data), b.map(({ data }) => data));
  const ratio = half.bytes / single.bytes;
  assert(ratio > 0.5 && ratio < 0.51, `${half.bytes} of ${single.bytes} bytes`);
});

halfActivationsTest(
  "activations in half precision draw nearly the same pictures",
  async (device) => {
    const wasm = await createWasmDevice({ threads: 1 });
    const single = await draw(wasm, shipped, "f32");
    wasm.close();
    const half = await draw(device, shipped, "f16");
    const errors = half.values.map((value, i) => Math.abs(value - single.values[i]));
    const mean = errors.reduce((sum, error) => sum + error) / errors.length;
    // A picture's numbers are from -1 to 1: a step of 8 bits is 1/127.
    assert(mean > 1e-5 && mean < 4e-3, `${mean}`);
    assert(Math.max(...errors) < 0.06, `${Math.max(...errors)}`);
  },
);

eachDevice("the bits of a file in half precision are kept", async (device) => {
  const parameters = await loadDiT(device, shipped, "f16");
  using file = await openSafetensors(shipped.path);
  for (const [name, buffer] of parameters) {
    assert.deepEqual(await buffer.read(), file.readFloat32(name), name);
  }
});

eachDevice("a file in single precision is rounded", async (device) => {
  const config = await loadConfig("dit-rgb-plain");
  const path = "tests/fixtures/dit-rgb-plain.weights.safetensors";
  const parameters = await loadDiT(device, { config, path, classNames: [] }, "f16");
  const weights = await loadGolden("dit-rgb-plain.weights");
  for (const specification of ditParameters(config)) {
    const values = weights.floats(specification.name);
    const stored = storedType(specification, "f16");
    const expected = stored === "f16" ? values.map(Math.f16round) : values;
    assert.deepEqual(await parameters.get(specification.name)!.read(), expected);
  }
});

eachDevice("a weight beyond half precision is refused by name", async (device) => {
  const config = await loadConfig("dit-rgb-plain");
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "large.safetensors");
    const tensors = ditParameters(config).map(({ name, shape }) => {
      const data = new Float32Array(elementCount(shape));
      if (name === "blocks.0.mlp.fc2.weight") data[5] = -70000;
      return { name, type: "F32" as const, shape, data };
    });
    await writeSafetensors(path, tensors);
    const source = { config, path, classNames: [] };
    await assert.rejects(
      loadDiT(device, source, "f16"),
      /large\.safetensors: the parameter blocks\.0\.mlp\.fc2\.weight holds -70000, .*--dtype f32$/,
    );
    await loadDiT(device, source, "f32");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
