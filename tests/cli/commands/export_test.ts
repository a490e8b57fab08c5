/** `tessera export`. */
import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { openSafetensors } from "../../../formats/tensors/safetensors.ts";
import { weightsPath } from "../../../training/checkpoints/checkpoint.ts";
import { readManifest } from "../../../training/checkpoints/manifest.ts";
import {
  assertFails,
  assertRefuses,
  checkpointOf,
  namesIn,
  onWasm,
  run,
  succeed,
  train,
  withFolder,
} from "../runs.ts";

const short = ["--steps", "4", "--log-every", "1", ...onWasm];

Deno.test("export makes a small checkpoint that sample and info take", async () => {
  await withFolder(async (folder) => {
    const path = await train(folder, ...short);
    const out = join(folder, "made", "model");
    assert.equal(await succeed("export", path, "--out", out), out);
    assert.deepEqual(await namesIn(out), ["ema.safetensors", "state.json"]);
    const manifest = await readManifest(out);
    assert.deepEqual([manifest.schedule, manifest.step], [undefined, 4]);
    using original = await openSafetensors(weightsPath(checkpointOf(path, 4), "ema"));
    using exported = await openSafetensors(weightsPath(out, "ema"));
    for (const [name, { shape }] of original.tensors) {
      assert.equal(exported.info(name).type, "F16");
      assert.deepEqual(exported.info(name).shape, shape);
      const halves = Float32Array.from(new Float16Array(original.readFloat32(name)));
      assert.deepEqual(exported.readFloat32(name), halves);
    }
    assert.match(await succeed("info", out), /step +4/);
    await succeed(
      ...["sample", "dit", "--ckpt", out, "--num-sampling-steps", "2", "--count", "1"],
      ...["--out", join(folder, "samples"), ...onWasm],
    );
    const exact = join(folder, "exact");
    await succeed("export", path, exact, "--dtype", "f32");
    using whole = await openSafetensors(weightsPath(exact, "ema"));
    for (const name of original.tensors.keys()) {
      assert.deepEqual(whole.readBytes(name), original.readBytes(name));
    }
    assertFails(await run("export", path, out), 1, /model: exists already; give a new name/);
    await assertRefuses(folder, ["export", folder, join(folder, "x")], 1, /no checkpoint in it/);
    await assertRefuses(folder, ["export", path], 2, /--out is needed: a new folder$/m);
  });
});

Deno.test("export tensorboard makes one event file a run, anew each time", async () => {
  await withFolder(async (folder) => {
    const path = await train(folder, ...short);
    const out = join(folder, "log");
    for (const _ of [1, 2]) {
      const file = await succeed("export", "tensorboard", path, "--out", out);
      assert.equal(file, join(out, basename(path), "events.out.tfevents.tessera"));
    }
    assert.deepEqual(await namesIn(out), [
      basename(path),
      join(basename(path), "events.out.tfevents.tessera"),
    ]);
    const bytes = await Deno.readFile(join(out, basename(path), "events.out.tfevents.tessera"));
    const text = new TextDecoder("latin1").decode(bytes);
    assert.equal(text.split("gradientNorm").length - 1, 4);
    assert(text.includes("brain.Event:2"));
  });
});
