/** `tessera convert`, and commands that take what it reads. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { writePyTorch } from "../../../formats/pytorch/writer.ts";
import { openWeights } from "../../../formats/weights.ts";
import { assertRefuses, onWasm, run, succeed, train, withFolder } from "../runs.ts";

Deno.test("convert makes a PyTorch file of a run, which info and sample take", async () => {
  await withFolder(async (folder) => {
    const path = await train(folder, "--steps", "1", ...onWasm);
    const out = join(folder, "made", "model.pt");
    assert.equal(await succeed("convert", path, out), out);
    assert.match(await succeed("info", out), /model\.pt: \d+ tensors, [\d,]+ elements, F32/);
    const draw = ["sample", "dit", "--num-sampling-steps", "2", "--count", "1", ...onWasm];
    const config = ["--config", join(path, "config.json")];
    for (const [ckpt, name] of [[path, "run"], [out, "file"]]) {
      const extra = ckpt === out ? config : [];
      await succeed(...draw, "--ckpt", ckpt, ...extra, "--out", join(folder, name));
    }
    const picture = (name: string) => Deno.readFile(join(folder, name, "000000.png"));
    assert.equal((await picture("run")).length > 0, true);
    await assertRefuses(folder, ["convert", path, out], 1, /model\.pt: exists already; give a new/);
    await assertRefuses(folder, ["convert", path, join(folder, "x.onnx")], 1, /must end in \.safe/);
  });
});

Deno.test("of a training checkpoint with several models the averages are taken, and it is said", async () => {
  await withFolder(async (folder) => {
    const path = await train(folder, "--steps", "1", ...onWasm);
    const bare = join(folder, "bare.pt");
    await succeed("convert", path, bare);
    const both = join(folder, "checkpoint.pt");
    {
      using file = await openWeights(bare);
      const group = (prefix: string, scale: number) =>
        [...file.tensors.values()].map((info) => ({
          ...info,
          name: prefix + info.name,
          bytes: () => new Uint8Array(file.readFloat32(info.name).map((x) => scale * x).buffer),
        }));
      const step = { name: "opt.step", type: "F32", shape: [1], bytes: () => new Uint8Array(4) };
      await writePyTorch(both, [...group("model.", 0), ...group("ema.", 1), step as never]);
    }
    const draw = async (ckpt: string, name: string) => {
      const out = join(folder, name);
      const { code, err } = await run(
        ...["sample", "dit", "--ckpt", ckpt, "--config", join(path, "config.json")],
        ...["--num-sampling-steps", "2", "--count", "1", "--out", out, ...onWasm],
      );
      assert.equal(code, 0, err);
      return { err, picture: await Deno.readFile(join(out, "000000.png")) };
    };
    const [alone, among] = [await draw(bare, "alone"), await draw(both, "among")];
    assert.match(
      among.err,
      /checkpoint\.pt: holds more than the model: what is under "ema\." is taken, \d+ other/,
    );
    const pixels = (bytes: Uint8Array) => bytes.slice(-200);
    assert.deepEqual(pixels(among.picture), pixels(alone.picture));
  });
});
