/** Where the weights of an autoencoder are found, and what identifies its encoder. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { InputError } from "../../../base/errors.ts";
import { writeSafetensors } from "../../../formats/tensors/safetensors.ts";
import {
  type AutoencoderKLConfig,
  autoencoderKLParameters,
} from "../../../models/autoencoder_kl/model.ts";
import { findAutoencoderKL, readAutoencoderKL } from "../../../models/autoencoder_kl/source.ts";
import { NonFiniteCodecError } from "../../../models/codec.ts";
import { withFolder } from "../../cli/runs.ts";
import { loadConfig, loadGolden } from "../../golden.ts";

const config = await loadConfig<AutoencoderKLConfig>("autoencoder_kl");
const golden = await loadGolden("autoencoder_kl.weights");

/** diffusers' configuration of the model. */
const published = {
  _class_name: "AutoencoderKL",
  in_channels: 3,
  out_channels: 3,
  latent_channels: config.latentChannels,
  block_out_channels: config.blockOutChannels,
  layers_per_block: config.layersPerBlock,
  norm_num_groups: config.normGroups,
  scaling_factor: config.scalingFactor,
};

/** Writes the weights into a folder of diffusers, some of them changed, some renamed. */
async function write(
  folder: string,
  change: (name: string, values: Float32Array) => void = () => {},
  rename: (name: string) => string = (name) => name,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(published));
  const tensors = autoencoderKLParameters(config).map(({ name, shape }) => {
    const data = golden.floats(name).slice();
    change(name, data);
    return { name: rename(name), shape, type: "F32" as const, data };
  });
  await writeSafetensors(join(folder, "diffusion_pytorch_model.safetensors"), tensors);
}

const read = async (path: string) => await readAutoencoderKL(await findAutoencoderKL(path, "ema"));

Deno.test("VAE: a folder of diffusers, or the file in it, is an autoencoder", async () => {
  await withFolder(async (folder) => {
    await write(folder);
    const file = join(folder, "diffusion_pytorch_model.safetensors");
    for (const path of [folder, file]) {
      const weights = await read(path);
      assert.deepEqual([weights.config, weights.path], [config, file]);
      assert.deepEqual(weights.values("quant_conv.bias"), golden.floats("quant_conv.bias"));
    }
    await Deno.rename(file, join(folder, "other.safetensors"));
    const refuses = (path: string, message: RegExp) =>
      assert.rejects(
        findAutoencoderKL(path, "ema"),
        (error) => error instanceof InputError && message.test(error.message),
      );
    await refuses(folder, /has config\.json, but no diffusion_pytorch_model\.safetensors/);
    await Deno.remove(join(folder, "config.json"));
    await refuses(join(folder, "other.safetensors"), /a bare weights file needs --config/);
  });
});

Deno.test("VAE: encoders are the same under other names and with other decoders, no others", async () => {
  await withFolder(async (folder) => {
    const hashOf = async (
      ...how: Parameters<typeof write> extends [string, ...infer R] ? R : never
    ) => {
      await write(folder, ...how);
      return (await read(folder)).hash;
    };
    const changed = (part: string) => (name: string, values: Float32Array) => {
      if (name === part) values[0] += 1;
    };
    const hash = await hashOf();
    assert.equal(await hashOf(undefined, (name) => `vae.${name.replace("to_q", "query")}`), hash);
    assert.equal(await hashOf(changed("decoder.conv_in.bias")), hash);
    assert.equal(await hashOf(changed("post_quant_conv.bias")), hash);
    assert.notEqual(await hashOf(changed("encoder.conv_in.bias")), hash);
    assert.notEqual(await hashOf(changed("quant_conv.bias")), hash);
    await write(folder, (name, values) => {
      if (name === "decoder.conv_in.bias") values[1] = NaN;
    });
    await assert.rejects(
      read(folder),
      (error) =>
        error instanceof NonFiniteCodecError && error.exitCode === 3 &&
        /decoder\.conv_in\.bias/.test(error.message),
    );
  });
});
