/** Evaluations of a DiT while it is trained. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { writeSamplesNpz } from "../../../formats/tensors/npz.ts";
import { readMetrics } from "../../../training/runs/metrics.ts";
import {
  assertFails,
  assertSameTensors,
  checkpointOf,
  onWasm,
  run,
  succeed,
  train,
  withFolder,
} from "../../cli/runs.ts";
import { trainNaViT } from "../../cli/navit_runs.ts";

/** Pictures of 14 x 14 pixels in two classes. */
async function writePictures(path: string): Promise<string> {
  const count = 8;
  const bytes = Uint8Array.from({ length: count * 14 * 14 }, (_, index) => index * 37 % 251);
  const labels = Array.from({ length: count }, (_, index) => index % 2);
  await writeSamplesNpz(path, [count, 14, 14, 1], [bytes], labels);
  return path;
}

Deno.test("--eval-every compares pictures by features and leaves the bits of the run", async () => {
  await withFolder(async (folder) => {
    const data = await writePictures(join(folder, "pictures.npz"));
    const results = join(folder, "results");
    const navit = await trainNaViT(results, data, "--steps", "1", ...onWasm);
    const flags = ["--data-path", data, ...onWasm];
    const plain = await train(results, "--steps", "4", ...flags);
    const evaluate = ["--eval-every", "2", "--features", navit];
    const evaluated = await train(results, "--steps", "2", ...flags, ...evaluate);
    await succeed("train", "dit", "--resume", evaluated, "--steps", "4", ...onWasm);
    await assertSameTensors(checkpointOf(evaluated, 4), checkpointOf(plain, 4));
    const metrics = await readMetrics(evaluated);
    const measured = metrics.filter(({ evalPictures }) => evalPictures !== undefined);
    assert.deepEqual(measured.map(({ step, evalPictures }) => [step, evalPictures]), [
      [2, 200],
      [4, 200],
    ]);
    assert(measured.every(({ evalFrechetDistance }) => evalFrechetDistance > 0));
    assert(measured.every(({ evalFid }) => evalFid === undefined), "it is no FID");
    assert.match(
      await Deno.readTextFile(join(evaluated, "log.txt")),
      /evaluated at step 4: Frechet distance of features \d\S*, 200 pictures$/m,
    );
    await Deno.stat(join(evaluated, "evalFrechetDistance.svg"));
    const missing = await run("train", "dit", ...onWasm, "--eval-every", "2");
    assertFails(missing, 2, /--eval-every needs --features/);
  });
});
