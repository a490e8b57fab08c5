/** Weights from one format into another: the same bits, or the nearest numbers of another type. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { convertWeights } from "../../formats/convert.ts";
import { writePyTorch } from "../../formats/pytorch/writer.ts";
import { openWeights } from "../../formats/weights.ts";
import { assertInputError, withFolder } from "./helpers.ts";

const fixture = `${import.meta.dirname}/../fixtures/pytorch_archive.pt`;

Deno.test("convert: to safetensors and back to PyTorch all bits stay", async () => {
  await withFolder(async (folder) => {
    using original = await openWeights(fixture);
    let from = fixture;
    for (const name of ["a.safetensors", "b.pt", "c.pth", "d.safetensors"]) {
      const to = join(folder, name);
      {
        using file = await openWeights(from);
        const { tensors, bytes } = await convertWeights(file, to);
        assert.deepEqual([tensors, bytes], [original.tensors.size, (await Deno.stat(to)).size]);
      }
      using made = await openWeights(to);
      assert.deepEqual([...made.tensors.keys()].sort(), [...original.tensors.keys()].sort());
      for (const { name, type, shape } of original.tensors.values()) {
        assert.deepEqual([made.info(name).type, made.info(name).shape], [type, shape], name);
        assert.deepEqual(made.readBytes(name), original.readBytes(name), name);
      }
      from = to;
    }
  });
});

Deno.test("convert: several files and their index hold the same bits", async () => {
  await withFolder(async (folder) => {
    using original = await openWeights(fixture);
    const path = join(folder, "model.safetensors.index.json");
    const shardBytes = 60;
    const { tensors } = await convertWeights(original, path, { shardBytes });
    assert.equal(tensors, original.tensors.size);
    const files = (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).sort();
    const count = String(files.length - 1).padStart(5, "0");
    assert(files.length > 2, `${files}`);
    assert.equal(files[0], `model-00001-of-${count}.safetensors`);
    const { metadata, weight_map: places } = JSON.parse(await Deno.readTextFile(path));
    const infos = [...original.tensors.values()];
    assert.equal(metadata.total_size, infos.reduce((sum, { byteLength }) => sum + byteLength, 0));
    assert.deepEqual(Object.keys(places), infos.map(({ name }) => name));
    using made = await openWeights(path);
    for (const { name, byteLength } of infos) {
      assert.deepEqual(made.readBytes(name), original.readBytes(name), name);
      const together = infos.filter((other) => places[other.name] === places[name]);
      const bytes = together.reduce((sum, info) => sum + info.byteLength, 0);
      assert(bytes <= Math.max(shardBytes, byteLength), `${name}: ${bytes}`);
    }
    await Deno.remove(path);
    await assertInputError(
      convertWeights(original, path, { shardBytes }),
      folder,
      /exists already/,
    );
  });
});

Deno.test("convert: a part under a prefix, floats in another type, integers as they are", async () => {
  await withFolder(async (folder) => {
    using file = await openWeights(fixture);
    for (const type of ["F32", "F16", "BF16"] as const) {
      const to = join(folder, `${type}.safetensors`);
      await convertWeights(file, to, { prefix: "ema.", type });
      using made = await openWeights(to);
      assert.equal(made.tensors.size, 14);
      assert.equal(made.info("long").type, "I64");
      const wanted = file.readFloat32("ema.plain");
      const values = made.readFloat32("plain");
      assert.equal(made.info("plain").type, type);
      const epsilon = { F32: 0, F16: 2 ** -11, BF16: 2 ** -8 }[type];
      values.forEach((value, index) =>
        assert.ok(Math.abs(value - wanted[index]) <= epsilon * Math.abs(wanted[index]))
      );
    }
  });
});

Deno.test("convert: what cannot be is said, and nothing is left", async () => {
  await withFolder(async (folder) => {
    const large = join(folder, "large.pt");
    const values = Float32Array.of(1, 65520);
    const bytes = () => new Uint8Array(values.buffer);
    await writePyTorch(large, [{ name: "w", type: "F32", shape: [2], bytes }]);
    using file = await openWeights(large);
    const to = (name: string) => join(folder, name);
    await assertInputError(
      convertWeights(file, to("h.pt"), { type: "F16" }),
      large,
      /"w" holds 65520, which is beyond half precision \(at most 65504\); take bf16 or f32$/,
    );
    await assertInputError(convertWeights(file, to("x.gguf")), to("x.gguf"), /must end in \.safet/);
    await assertInputError(
      convertWeights(file, to("x.pt"), { prefix: "ema." }),
      large,
      /no tensor is under "ema\."; names start with "w\."$/,
    );
    const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    assert.deepEqual(names, ["large.pt"]);
  });
});
