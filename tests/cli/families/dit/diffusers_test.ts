/** A DiT in the form of diffusers draws what the same weights draw under their published names. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { openSafetensors, writeSafetensors } from "../../../../formats/tensors/safetensors.ts";
import { assertFails, onWasm, run, succeed, withFolder } from "../../runs.ts";

const fixture = "tests/fixtures/dit-latent";
const weights = `${fixture}.weights.safetensors`;
const own = JSON.parse(await Deno.readTextFile(`${fixture}.config.json`));

/** The fields of diffusers' config.json for the fixture. */
const published = {
  _class_name: "DiTTransformer2DModel",
  _diffusers_version: "0.12.0",
  activation_fn: "gelu-approximate",
  attention_bias: true,
  attention_head_dim: own.hidden / own.heads,
  cross_attention_dim: null,
  in_channels: own.channels,
  norm_elementwise_affine: false,
  norm_type: "ada_norm_zero",
  num_attention_heads: own.heads,
  num_embeds_ada_norm: own.classes,
  num_layers: own.depth,
  out_channels: own.channels * (own.learnSigma ? 2 : 1),
  patch_size: own.patch,
  sample_size: own.inputSize,
};

/** Changes values on their way into the folder. */
type Change = (name: string, values: Float32Array) => Float32Array;

/** Writes the fixture as diffusers would. */
async function writeFolder(folder: string, change: Change = (_, values) => values): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(published));
  using file = await openSafetensors(weights);
  const tensors: { name: string; type: "F32"; shape: number[]; data: Float32Array }[] = [];
  const put = (name: string, from: string, rows?: readonly [start: number, end: number]) => {
    const [first, ...rest] = file.info(from).shape;
    const [start, end] = rows ?? [0, first];
    const length = rest.reduce((product, size) => product * size, 1);
    const data = change(name, file.readFloat32(from).slice(start * length, end * length));
    tensors.push({ name, type: "F32", shape: [end - start, ...rest], data });
  };
  for (const kind of ["weight", "bias"]) {
    put(`pos_embed.proj.${kind}`, `x_embedder.proj.${kind}`);
    put(`proj_out_1.${kind}`, `final_layer.adaLN_modulation.1.${kind}`);
    put(`proj_out_2.${kind}`, `final_layer.linear.${kind}`);
    for (let index = 0; index < own.depth; index++) {
      const [to, from] = [`transformer_blocks.${index}`, `blocks.${index}`];
      put(`${to}.norm1.linear.${kind}`, `${from}.adaLN_modulation.1.${kind}`);
      ["to_q", "to_k", "to_v"].forEach((part, place) => {
        const rows = [place * own.hidden, (place + 1) * own.hidden] as const;
        put(`${to}.attn1.${part}.${kind}`, `${from}.attn.qkv.${kind}`, rows);
      });
      put(`${to}.attn1.to_out.0.${kind}`, `${from}.attn.proj.${kind}`);
      put(`${to}.ff.net.0.proj.${kind}`, `${from}.mlp.fc1.${kind}`);
      put(`${to}.ff.net.2.${kind}`, `${from}.mlp.fc2.${kind}`);
      const times = `${to}.norm1.emb.timestep_embedder`;
      put(`${times}.linear_1.${kind}`, `t_embedder.mlp.0.${kind}`);
      put(`${times}.linear_2.${kind}`, `t_embedder.mlp.2.${kind}`);
    }
  }
  const table = "y_embedder.embedding_table.weight";
  for (let index = 0; index < own.depth; index++) {
    put(`transformer_blocks.${index}.norm1.emb.class_embedder.embedding_table.weight`, table);
  }
  await writeSafetensors(join(folder, "diffusion_pytorch_model.safetensors"), tensors);
}

const sampling = ["--num-sampling-steps", "2", "--classes", "1", ...onWasm];

Deno.test("a DiT of diffusers draws what its weights draw, from its folder, its file and converted", async () => {
  await withFolder(async (folder) => {
    const draw = async (...args: string[]) => {
      const latents = join(folder, "latents.safetensors");
      const out = join(folder, "out");
      await succeed("sample", "dit", ...args, ...sampling, "--save-latents", latents, "--out", out);
      return await Deno.readFile(latents);
    };
    const expected = await draw("--ckpt", weights, "--config", `${fixture}.config.json`);
    const model = join(folder, "transformer");
    await writeFolder(model);
    const file = join(model, "diffusion_pytorch_model.safetensors");
    assert.deepEqual(await draw("--ckpt", model), expected, "folder");
    assert.deepEqual(await draw("--ckpt", file), expected, "file");
    const config = ["--config", `${fixture}.config.json`];
    const converted = join(folder, "model.pt");
    await succeed("convert", file, converted);
    assert.deepEqual(await draw("--ckpt", converted, ...config), expected, "converted");
  });
});

Deno.test("a network of diffusers that is another one is refused by what differs", async () => {
  await withFolder(async (folder) => {
    const latents = ["--save-latents", join(folder, "latents.safetensors")];
    const sample = () => run("sample", "dit", "--ckpt", folder, ...sampling, ...latents);
    await writeFolder(
      folder,
      (name, values) =>
        name === "transformer_blocks.1.norm1.emb.timestep_embedder.linear_1.bias"
          ? values.map((value) => value + 1)
          : values,
    );
    assertFails(await sample(), 1, /timestep_embedder\.linear_1\.bias .*differ: the network was/);
    for (
      const [change, message] of [
        [{ norm_type: "layer_norm" }, /config\.json: norm_type: /],
        [{ attention_bias: false }, /config\.json: attention_bias: /],
        [
          { out_channels: 7 },
          /config\.json: out_channels: 7; it is \d+ or, with the variance, \d+$/m,
        ],
      ] as const
    ) {
      const changed = JSON.stringify({ ...published, ...change });
      await Deno.writeTextFile(join(folder, "config.json"), changed);
      assertFails(await sample(), 1, message);
    }
  });
});

Deno.test("convert --layout diffusers makes the folder that diffusers would", async () => {
  await withFolder(async (folder) => {
    const expected = join(folder, "expected");
    await writeFolder(expected);
    const made = join(folder, "made", "transformer");
    const flags = ["--layout", "diffusers", "--config", `${fixture}.config.json`];
    assert.equal(await succeed("convert", weights, made, ...flags), made);
    const config = JSON.parse(await Deno.readTextFile(join(made, "config.json")));
    for (const [name, value] of Object.entries(published)) {
      if (name !== "_diffusers_version" && value !== null) {
        assert.deepEqual(config[name], value, name);
      }
    }
    const open = (path: string) =>
      openSafetensors(join(path, "diffusion_pytorch_model.safetensors"));
    using one = await open(expected);
    using other = await open(made);
    assert.deepEqual([...other.tensors.keys()].sort(), [...one.tensors.keys()].sort());
    for (const name of one.tensors.keys()) {
      assert.deepEqual(other.info(name).shape, one.info(name).shape, name);
      assert.deepEqual(other.readBytes(name), one.readBytes(name), name);
    }
    const sharded = join(folder, "sharded");
    await succeed(
      "convert",
      weights,
      sharded,
      ...flags,
      "--shard-size",
      "0.00005",
      "--dtype",
      "f16",
    );
    const names = await Array.fromAsync(Deno.readDir(sharded), ({ name }) => name);
    assert(names.includes("diffusion_pytorch_model.safetensors.index.json"), `${names}`);
    assert(names.length > 4, `${names}`);
    assertFails(await run("convert", weights, made, ...flags), 1, /exists already/);
    const bare = ["convert", weights, join(folder, "x"), "--layout", "diffusers"];
    assertFails(await run(...bare), 2, /bare weights file, which needs --config/);
    assertFails(
      await run(...bare, "--config", "NaViT-XS/8"),
      1,
      /weights of a NaViT are not written for diffusers/,
    );
  });
});
