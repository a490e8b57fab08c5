import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { readManifest } from "../../../training/checkpoints/manifest.ts";
import {
  assertRefuses,
  assertSameTensors,
  checkpointOf,
  onWasm,
  succeed,
  tinyModel,
  withFolder,
  writeTinyData,
} from "../runs.ts";

const quick = ["--log-every", "2", "--quiet", ...onWasm];

Deno.test("--config with the file of a run makes the run again, and flags override it", async () => {
  await withFolder(async (results) => {
    const data = await writeTinyData(join(results, "data.npz"));
    const train = (...args: string[]) =>
      succeed("train", "dit", ...quick, "--results-dir", results, ...args);
    const settings = ["--flip", "--seed", "7", "--lr-schedule", "cosine", "--steps", "4"];
    const first = await train(...tinyModel, "--patch", "4", ...settings, "--data-path", data);
    const config = join(first, "config.json");
    const again = await train("--config", config);
    assert.equal(basename(again), "001-DiT-XS-4");
    await assertSameTensors(checkpointOf(again, 4), checkpointOf(first, 4));

    const other = await train("--config", join(again, "config.json"), "--seed", "8");
    const { run: { flip, seed, learningRate } } = await readManifest(checkpointOf(other, 4));
    assert.deepEqual([flip, seed, learningRate], [true, 8, 3e-3]);
    const { flags } = JSON.parse(await Deno.readTextFile(join(other, "config.json")));
    assert.deepEqual([flags.seed, flags.flip, flags.steps], ["8", true, "4"]);
    assert.equal(flags["data-path"], data);
    assert(!("config" in flags) && !("quiet" in flags) && !("results-dir" in flags));
  });
});

Deno.test("a run file with a wrong flag is refused by its name", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "config.json");
    const cases: [object, RegExp][] = [
      [{ lr: "-1" }, /config\.json: flags: --lr -1 is out of range/],
      [{ "learning-rate": "1" }, /config\.json: flags: unknown option '--learning-rate/],
      [{ lr: 1 }, /config\.json: lr: flags are texts/],
      [["--lr"], /config\.json: flags: flags are texts/],
    ];
    for (const [flags, message] of cases) {
      await Deno.writeTextFile(path, JSON.stringify({ flags }));
      await assertRefuses(folder, ["train", "dit", "--config", path, ...quick], 1, message);
    }
  });
});
