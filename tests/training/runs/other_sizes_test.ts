/** Runs that start from weights of models of another size. */
import assert from "node:assert/strict";
import { openSafetensors } from "../../../formats/tensors/safetensors.ts";
import {
  checkpointOf,
  onWasm,
  run,
  succeed,
  tinyModel,
  train,
  withFolder,
} from "../../cli/runs.ts";
import { assertClose } from "../../golden.ts";

/** A tensor of a checkpoint, with its shape. */
async function tensorOf(checkpoint: string, name: string) {
  using file = await openSafetensors(`${checkpoint}/model.safetensors`);
  return { shape: file.info(name).shape, values: file.readFloat32(name) };
}

/** Steps change next to nothing. */
const still = ["--steps", "1", "--lr", "1e-12", ...onWasm];

Deno.test("positions of a DiT are computed for another size, all else stays, and it is said", async () => {
  await withFolder(async (folder) => {
    const small = await train(folder, "--steps", "2", "--image-size", "14", ...onWasm);
    const flags = [...tinyModel, "--results-dir", folder, "--image-size", "21", ...still];
    const { code, out, err } = await run("train", "dit", ...flags, "--init-from", small);
    assert.equal(code, 0, err);
    assert.match(err, /weights are for samples of another size; computed anew: pos_embed$/m);
    const fresh = await train(folder, "--image-size", "21", ...still);
    const [before, after] = [checkpointOf(small, 2), checkpointOf(out.trim(), 1)];
    assert.deepEqual((await tensorOf(after, "pos_embed")).shape, [1, 9, 16]);
    const same = async (name: string, one: string, other: string) => {
      const [found, expected] = [await tensorOf(one, name), await tensorOf(other, name)];
      assert.deepEqual(found.shape, expected.shape);
      assertClose(name, found.values, expected.values, 1e-6);
    };
    await same("pos_embed", after, checkpointOf(fresh, 1));
    await same("blocks.0.attn.qkv.weight", after, before);
    await same("x_embedder.proj.weight", after, before);
  });
});

Deno.test("learned positions of a W.A.L.T are interpolated for another size", async () => {
  await withFolder(async (folder) => {
    const flags = [
      ...["--frames", "3", "--hidden", "16", "--heads", "2", "--depth", "2", "--batch-size", "4"],
      ...["--results-dir", folder],
    ];
    const small = await succeed("train", "walt", ...flags, "--size", "16", ...still);
    const { code, out, err } = await run(
      ...["train", "walt", ...flags, "--size", "32", ...still, "--init-from", small],
    );
    assert.equal(code, 0, err);
    assert.match(err, /another size; interpolated: pos_embed\.space/);
    const before = await tensorOf(checkpointOf(small, 1), "pos_embed.space");
    const after = await tensorOf(checkpointOf(out.trim(), 1), "pos_embed.space");
    assert.deepEqual(after.shape.slice(0, 2), before.shape.slice(0, 2).map((side) => 2 * side));
    const width = before.shape[2];
    const corners = (values: Float32Array) =>
      Float32Array.from([...values.slice(0, width), ...values.slice(-width)]);
    assertClose("corners", corners(after.values), corners(before.values), 1e-6);
  });
});
