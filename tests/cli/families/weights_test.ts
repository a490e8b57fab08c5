/** Weights from elsewhere through the commands that take them. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { openSafetensors, writeSafetensors } from "../../../formats/tensors/safetensors.ts";
import { trainNaViT, writeMixedPictures } from "../navit_runs.ts";
import {
  assertFails,
  checkpointOf,
  onWasm,
  run,
  succeed,
  tinyModel,
  train,
  withFolder,
  writeTinyData,
} from "../runs.ts";

const fixture = "tests/fixtures/dit-pixel";
const config = `${fixture}.config.json`;
const weights = `${fixture}.weights.safetensors`;

/** Draws with weights; returns the latents' bytes and what was told. */
async function draw(
  folder: string,
  ...args: string[]
): Promise<{ latents: Uint8Array; err: string }> {
  const latents = join(folder, "latents.safetensors");
  const sampling = ["--num-sampling-steps", "2", "--classes", "1", "--save-latents", latents];
  const out = ["--out", join(folder, "out"), ...onWasm];
  const { code, err } = await run("sample", "dit", ...args, ...sampling, ...out);
  assert.equal(code, 0, err);
  return { latents: await Deno.readFile(latents), err };
}

/** All values of a file by name. */
async function valuesOf(path: string): Promise<Map<string, Float32Array>> {
  using reader = await openSafetensors(path);
  return new Map([...reader.tensors.keys()].map((name) => [name, reader.readFloat32(name)]));
}

/** Writes the fixture's weights under other names or in another type. */
async function rewrite(path: string, prefix: string, type: "F32" | "F8_E4M3" = "F32") {
  using reader = await openSafetensors(weights);
  const tensors = [...reader.tensors.values()].map(({ name, shape, elementCount }) => ({
    name: prefix + name,
    shape,
    type,
    data: type === "F32" ? reader.readFloat32(name) : new Uint8Array(elementCount),
  }));
  await writeSafetensors(path, tensors);
}

Deno.test("weights are taken under any name, through links, and with a wrapper's prefix", async () => {
  await withFolder(async (folder) => {
    const expected = await draw(folder, "--ckpt", weights, "--config", config);
    const bare = join(folder, "0a1b2c3d");
    await Deno.copyFile(weights, bare);
    const link = join(folder, "model.bin");
    await Deno.symlink(bare, link);
    for (const path of [bare, link]) {
      const { latents } = await draw(folder, "--ckpt", path, "--config", config);
      assert.deepEqual(latents, expected.latents, path);
    }
    for (const prefix of ["module.", "_orig_mod.", "ema_model.", "module._orig_mod."]) {
      const path = join(folder, "wrapped.safetensors");
      await rewrite(path, prefix);
      const { latents, err } = await draw(folder, "--ckpt", path, "--config", config);
      assert.deepEqual(latents, expected.latents, prefix);
      assert.match(err, new RegExp(`all names start with "${prefix}", which is left out`));
    }
  });
});

Deno.test("what is no file of weights is called what it is, with and without --config", async () => {
  await withFolder(async (folder) => {
    const sample = (path: string, ...args: string[]) =>
      run("sample", "dit", "--ckpt", path, "--out", join(folder, "out"), ...onWasm, ...args);
    const pytorch = join(folder, "model.pt");
    await Deno.writeFile(pytorch, new TextEncoder().encode("PK\x03\x04....archive/data.pkl"));
    for (const args of [[], ["--config", config]]) {
      assertFails(
        await sample(pytorch, ...args),
        1,
        /model\.pt: not a zip archive, or truncated: it has no directory$/m,
      );
    }
    const scaled = join(folder, "fp8.safetensors");
    await rewrite(scaled, "", "F8_E4M3");
    assertFails(
      await sample(scaled, "--config", config),
      1,
      /the parameter \S+ is stored as 8-bit floats \(F8_E4M3\), .* F32, F16 or BF16$/m,
    );
  });
});

Deno.test("a configuration without a family has that of the command; info says what is missing", async () => {
  await withFolder(async (folder) => {
    const { family: _, ...fields } = JSON.parse(await Deno.readTextFile(config));
    const path = join(folder, "config.json");
    await Deno.writeTextFile(path, JSON.stringify(fields));
    const expected = await draw(folder, "--ckpt", weights, "--config", config);
    const { latents } = await draw(folder, "--ckpt", weights, "--config", path);
    assert.deepEqual(latents, expected.latents);
    assertFails(
      await run("info", "model", "--config", path),
      1,
      /config\.json: the field "family" is missing; it is "dit" or "navit"(?: or "[a-z-]+")*$/m,
    );
  });
});

Deno.test("the config.json of a run and a manifest are configurations", async () => {
  await withFolder(async (folder) => {
    const path = await train(folder, "--steps", "1", ...onWasm);
    const model = async (file: string) =>
      JSON.parse(await succeed("info", "model", "--config", file, "--json")).config;
    const { description } = JSON.parse(await Deno.readTextFile(join(path, "config.json")));
    assert.deepEqual(await model(join(path, "config.json")), description.config);
    assert.deepEqual(await model(join(checkpointOf(path, 1), "state.json")), description.config);
  });
});

Deno.test("--init-from takes a checkpoint that holds averages only", async () => {
  await withFolder(async (folder) => {
    const source = await train(folder, "--steps", "3", "--ema-decay", "0.5", ...onWasm);
    const exported = join(folder, "exported");
    await succeed("export", source, exported, "--dtype", "f32");
    const { code, out, err } = await run(
      ...["train", "dit", ...tinyModel, "--lr", "1e-12", "--steps", "1", ...onWasm],
      ...["--results-dir", folder, "--init-from", exported],
    );
    assert.equal(code, 0, err);
    assert.match(err, /exported: holds averages only, so ema\.safetensors is taken$/m);
    const name = "blocks.0.attn.qkv.weight";
    const averages = await valuesOf(join(checkpointOf(source, 3), "ema.safetensors"));
    const started = await valuesOf(join(checkpointOf(out.trim(), 1), "model.safetensors"));
    const error = started.get(name)!.map((value, i) => Math.abs(value - averages.get(name)![i]));
    assert(Math.max(...error) < 1e-6);
    await Deno.remove(join(checkpointOf(source, 3), "model.safetensors"));
    const removed = ["train", "dit", ...tinyModel, "--dry-run", "--init-from", source, ...onWasm];
    assertFails(await run(...removed), 1, /model\.safetensors: no such file$/m);
    const shipped = await run(
      ...["train", "dit", "--init-from", "models/checkpoints/fashion", "--dry-run", ...onWasm],
    );
    assert.equal(shipped.code, 0, shipped.err);
  });
});

Deno.test("--init-from another number of classes makes the label table anew, and says so", async () => {
  await withFolder(async (folder) => {
    const source = await train(folder, "--steps", "2", ...onWasm);
    const data = await writeTinyData(join(folder, "data.npz"));
    const small = ["--patch", "4", "--data-path", data, "--lr", "1e-12", "--steps", "1"];
    const twoClasses = await train(folder, ...small, ...onWasm);
    const { code, out, err } = await run(
      ...["train", "dit", ...tinyModel, ...small, "--results-dir", folder, ...onWasm],
      ...["--num-classes", "5", "--init-from", twoClasses],
    );
    assert.equal(code, 0, err);
    assert.match(
      err,
      /the weights are for 2 classes, this model has 5; made anew: y_embedder\.embedding_table\.weight$/m,
    );
    const before = await valuesOf(join(checkpointOf(twoClasses, 1), "model.safetensors"));
    for (const file of ["model", "ema"]) {
      const after = await valuesOf(join(checkpointOf(out.trim(), 1), `${file}.safetensors`));
      for (const [name, values] of after) {
        if (name !== "y_embedder.embedding_table.weight") {
          assert(values.every((value, i) => Math.abs(value - before.get(name)![i]) < 1e-6), name);
          continue;
        }
        assert.equal(values.length, 6 * 16);
        assert(values.some((value) => Math.abs(value) > 1e-3), "drawn from the seed");
      }
    }
    // A table that differs in more than its classes is still refused.
    const other = [
      "train",
      "dit",
      ...tinyModel,
      ...small,
      "--hidden",
      "20",
      "--dry-run",
      ...onWasm,
    ];
    assertFails(await run(...other, "--init-from", source), 1, /has the shape/);
  });
});

Deno.test("--init-from another number of classes makes a NaViT's head anew", async () => {
  await withFolder(async (folder) => {
    const three = await writeMixedPictures(join(folder, "three"), 2);
    const source = await trainNaViT(folder, three, "--steps", "1", ...onWasm);
    const two = await writeMixedPictures(join(folder, "two"), 2);
    await Deno.remove(join(two, "rows"), { recursive: true });
    const path = await trainNaViT(folder, two, "--steps", "1", ...onWasm, "--init-from", source);
    const started = await valuesOf(join(checkpointOf(path, 1), "model.safetensors"));
    assert.equal(started.get("head.bias")!.length, 2);
    const log = await Deno.readTextFile(join(path, "log.txt"));
    assert.match(log, /for 3 classes, this model has 2; made anew: head\.weight, head\.bias$/m);
  });
});
