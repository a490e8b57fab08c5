/** The checkpoint of W.A.L.T that comes with the tool, and the demo that shows it. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { motionLabel } from "../../../../../data/clips/moving_pictures.ts";
import { openClips } from "../../../../../data/clips/open_clips.ts";
import { soaking } from "../../../../scale.ts";
import { namesIn, onWasm, run, succeed, withFolder } from "../../../runs.ts";

Deno.test("the shipped checkpoint draws clips that move as their class says", () =>
  withFolder(async (folder) => {
    const quick = ["--count", "8", "--num-sampling-steps", "10", "--quiet", ...onWasm];
    await succeed("sample", "walt", "--out", folder, ...quick);
    const set = await openClips(folder, { frames: 17 });
    assert.deepEqual([set.length, set.height, set.width, set.fps(0)], [8, 32, 32, 8]);
    let right = 0;
    for (let index = 0; index < 8; index++) {
      if (motionLabel(await set.decode(index)) === index) right++;
    }
    set.close();
    assert(right >= 6, `${right} of 8 clips move as their class says`);
    assert((await Deno.stat("models/checkpoints/moving-fashion/ema.safetensors")).size < 4e6);
  }));

Deno.test("the shipped checkpoint stands for its tokenizer", async () => {
  const clips = "--frames 5 --size 16 --tokenizer shipped:moving-fashion --dry-run".split(" ");
  assert.match(await succeed("train", "walt", ...clips, ...onWasm), /^tokens +/m);
  const { code, err } = await run("train", "walt", ...clips.with(-2, "shipped:fashion"));
  assert.equal(code, 1);
  assert.match(
    err,
    /checkpoints.fashion: the checkpoint holds a model of the family dit, not causal-tok/,
  );
});

Deno.test({
  name: "demo walt trains, draws, measures, predicts, and says where everything is",
  ignore: !soaking,
  fn: () =>
    withFolder(async (results) => {
      const args = ["demo", "walt", "--seconds", "5", "--results-dir", results, ...onWasm];
      const { code, out, err } = await run(...args);
      assert.equal(code, 0, err);
      const folder = join(results, "000-WALT-XS");
      assert.match(err, /1[2-6] of 16 clips go in the direction of their class at its speed/);
      const names = await namesIn(folder);
      for (const name of ["own/sheet.png", "shipped/000015.mp4", "predicted/comparison.png"]) {
        assert(names.includes(name), `${name} is missing`);
      }
      assert(out.includes(join(folder, "predicted", "comparison.png")), out);
    }),
});
