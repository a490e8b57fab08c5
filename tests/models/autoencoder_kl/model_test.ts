/** The autoencoder of latent diffusion against PyTorch, its names and counts. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { InputError } from "../../../base/errors.ts";
import { openSafetensors, writeSafetensors } from "../../../formats/tensors/safetensors.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { reshape } from "../../../kernels/ops/movement/op.ts";
import { input } from "../../../kernels/tensor.ts";
import { checkAutoencoderKLConfig } from "../../../models/autoencoder_kl/config.ts";
import {
  type AutoencoderKLConfig,
  autoencoderKLConfigs,
  autoencoderKLParameters,
} from "../../../models/autoencoder_kl/model.ts";
import { autoencoderKLLosses } from "../../../models/autoencoder_kl/step.ts";
import { countParameters, mismatch } from "../../../nn/parameters.ts";
import { matchWeights } from "../../../nn/weights_file.ts";
import { eachDevice } from "../../devices.ts";
import { assertClose, loadConfig, loadGolden, thinned } from "../../golden.ts";

const stableDiffusion = autoencoderKLConfigs.get("SD-VAE")!;

eachDevice("VAE: the losses of a step and their gradients are PyTorch's", async (device) => {
  const config = await loadConfig<AutoencoderKLConfig>("autoencoder_kl");
  const golden = await loadGolden("autoencoder_kl.loss");
  const weights = await loadGolden("autoencoder_kl.weights");
  const of = (name: string) => input(name, golden.shapes.get(name)!);
  const losses = autoencoderKLLosses(
    config,
    of("image"),
    of("noise"),
    { klWeight: golden.about.klWeight as number, imageSize: 8 },
  );
  const names = [...losses.states.keys()];
  const sources = names.filter((name) => golden.has(`grad.${name}`));
  const found = gradients(losses.loss, sources.map((name) => losses.states.get(name)!));
  const outputs = Object.fromEntries([
    ...sources.map((name, index) => [`grad.${name}`, found[index]] as const),
    ...Object.entries({ loss: losses.loss, ...losses.terms }).map(([name, value]) =>
      [name, reshape(value, [1])] as const
    ),
  ]);
  const executable = await device.load(compile(makeGraph("losses", { outputs })));
  try {
    for (const name of names) {
      const changed = golden.has(name) ? golden : weights;
      executable.buffer(name).write(changed.floats(name));
    }
    for (const name of ["image", "noise"]) executable.buffer(name).write(golden.floats(name));
    executable.run();
    const read = async (name: string) => Float32Array.from(await executable.buffer(name).read());
    for (const name of ["loss", "meanSquaredError"]) {
      assertClose(name, await read(name), golden.floats(name), 1e-5);
    }
    const [a, b] = golden.floats("divergence");
    const numbers = golden.floats("image").length / 2;
    const each = Float32Array.of((a + b) / 2 / numbers);
    assertClose("divergence", await read("klDivergence"), each, 1e-5);
    for (const name of sources) {
      const gradient = thinned(await read(`grad.${name}`), golden);
      assertClose(name, gradient, golden.floats(`grad.${name}`), 2e-4);
    }
  } finally {
    executable.destroy();
  }
});

Deno.test("VAE: names and shapes are the published ones, and counts the architecture's", async () => {
  const config = checkAutoencoderKLConfig(await loadConfig("autoencoder_kl"), "c");
  const { shapes } = await loadGolden("autoencoder_kl.weights");
  assert.equal(mismatch(autoencoderKLParameters(config), shapes), undefined);
  const specifications = autoencoderKLParameters(stableDiffusion);
  const count = (part: string) =>
    countParameters(specifications.filter(({ name }) => name.startsWith(part))).parameters;
  assert.equal(count(""), 83_653_863);
  assert.equal(count("encoder."), 34_163_592);
  assert.equal(count("decoder."), 49_490_179);
  const named = new Map(specifications.map(({ name, shape }) => [name, shape]));
  const shapeOf = (name: string) => named.get(name)?.join();
  assert.equal(shapeOf("encoder.down_blocks.1.resnets.0.conv_shortcut.weight"), "256,128,1,1");
  assert.equal(shapeOf("decoder.up_blocks.2.resnets.0.conv_shortcut.weight"), "256,512,1,1");
  assert.equal(shapeOf("decoder.up_blocks.2.upsamplers.0.conv.bias"), "256");
  assert.equal(shapeOf("encoder.mid_block.attentions.0.to_out.0.weight"), "512,512");
});

/** The names of a file as diffusers wrote it before 2023, its attention maps as 1 x 1 convolutions. */
function formerly(name: string): string {
  const names = { to_q: "query", to_k: "key", to_v: "value", "to_out.0": "proj_attn" };
  return Object.entries(names).reduce(
    (changed, [now, before]) => changed.replace(`attentions.0.${now}.`, `attentions.0.${before}.`),
    name,
  );
}

Deno.test("VAE: weights under former names, wrapped, with maps as convolutions, are the same", async () => {
  const config = await loadConfig<AutoencoderKLConfig>("autoencoder_kl");
  const specifications = autoencoderKLParameters(config);
  const { floats } = await loadGolden("autoencoder_kl.weights");
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "old.safetensors");
    const isMap = (name: string) => /to_(?:q|k|v|out\.0)\.weight$/.test(name);
    await writeSafetensors(
      path,
      specifications.map(({ name, shape }) => ({
        name: `module.${formerly(name)}`,
        shape: isMap(name) ? [...shape, 1, 1] : shape,
        type: "F32" as const,
        data: () => floats(name),
      })),
      {},
    );
    using file = await openSafetensors(path);
    const { tensors, prefix } = matchWeights(file, specifications);
    assert.equal(prefix, "module.");
    for (const { name } of specifications) {
      assert.deepEqual(tensors.readFloat32(name), floats(name), name);
    }
    // A linear map may have axes of one position more, but no other axes.
    const wide = specifications.map((parameter) =>
      isMap(parameter.name) ? { ...parameter, shape: [...parameter.shape, 2] } : parameter
    );
    assert.throws(() => matchWeights(file, wide), /to_q.weight has the shape \(8, 8, 1, 1\), not/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("VAE: diffusers' config.json is read, and what does not fit is refused", () => {
  const published = {
    _class_name: "AutoencoderKL",
    _diffusers_version: "0.4.2",
    act_fn: "silu",
    block_out_channels: [128, 256, 512, 512],
    down_block_types: new Array(4).fill("DownEncoderBlock2D"),
    in_channels: 3,
    latent_channels: 4,
    layers_per_block: 2,
    norm_num_groups: 32,
    out_channels: 3,
    sample_size: 256,
    up_block_types: new Array(4).fill("UpDecoderBlock2D"),
  };
  assert.deepEqual(checkAutoencoderKLConfig(published, "c"), stableDiffusion);
  const xl = checkAutoencoderKLConfig({ ...published, scaling_factor: 0.13025 }, "c");
  assert.equal(xl.scalingFactor, 0.13025);
  for (const valid of autoencoderKLConfigs.values()) {
    assert.deepEqual(checkAutoencoderKLConfig(valid, "c"), valid);
  }
  const refused = (value: object, message: RegExp) =>
    assert.throws(
      () => checkAutoencoderKLConfig(value, "c"),
      (error) => error instanceof InputError && message.test(error.message),
    );
  refused({ ...published, use_quant_conv: false }, /^c: use_quant_conv: /);
  refused({ ...published, act_fn: "relu" }, /^c: act_fn: /);
  refused({ ...published, out_channels: 1 }, /out_channels: 1, but in_channels is 3/);
  refused({ ...published, block_out_channels: [100] }, /width 100 .* nearest widths: 96 and 128/);
  refused({ ...stableDiffusion, normGroups: 48 }, /nearest widths: 96 and 144/);
  refused({ ...stableDiffusion, scalingFactor: 0 }, /scalingFactor/);
});
