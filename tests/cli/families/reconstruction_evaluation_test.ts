/** Codecs are measured while they are trained, as `eval` measures them, and trained all the same. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { readMetrics } from "../../../training/runs/metrics.ts";
import { writeClipAs } from "../../data/clips/files.ts";
import {
  assertSameTensors,
  checkpointOf,
  namesIn,
  onWasm,
  run,
  succeed,
  withFolder,
  writeTinyData,
} from "../runs.ts";

/** Values of an evaluation by what was measured, and the part of the data. */
async function evaluated(...args: string[]) {
  const { rows } = JSON.parse(await succeed(...args, "--json", ...onWasm, "-q"));
  return {
    split: rows[0].split,
    value: (measure: string): number =>
      rows.find((row: { readonly measure: string }) => row.measure === measure).value,
  };
}

const near = (a: number, b: number) => assert(Math.abs(a - b) < 1e-4 * Math.abs(b), `${a}, ${b}`);

Deno.test("train tokenizer --eval-every: held-out clips, as eval measures them, and the same bits", () =>
  withFolder(async (folder) => {
    const data = join(folder, "data");
    const clip = { frames: 3, height: 8, width: 8 };
    await writeClipAs(join(data, "train", "a", "1.webp"), clip);
    await writeClipAs(join(data, "train", "a", "2.webp"), { ...clip, fps: 4 });
    await writeClipAs(join(data, "test", "a", "3.webp"), { ...clip, frames: 9 });
    const train = (...args: string[]) =>
      run(
        ...["train", "tokenizer", "--config", "tests/fixtures/causal_tokenizer_clips.config.json"],
        ...["--data-path", data, "--frames", "3", "--batch-size", "1", "--adversarial-weight", "0"],
        ...["--steps", "4", "--log-every", "4", "--results-dir", folder, ...onWasm, ...args],
      );
    const { err, out, code } = await train("--eval-every", "2");
    assert.equal(code, 0, err);
    assert.match(err, /^evaluated at step 2: psnr .* dB, ssim .* on 3 samples$/m);
    const [measured, plain] = [out.trim(), (await train()).out.trim()];
    await assertSameTensors(checkpointOf(measured, 4), checkpointOf(plain, 4));
    const metrics = await readMetrics(measured);
    assert.deepEqual(metrics.map(({ step, evalSamples }) => [step, evalSamples]), [[2, 3], [4, 3]]);
    const found = await evaluated("eval", "tokenizer", "--ckpt", measured);
    assert.equal(found.split, "test");
    near(metrics[1].evalPsnr, found.value("psnr, frames"));
    near(metrics[1].evalSsim, found.value("ssim, frames"));
    const curves = (await namesIn(measured)).filter((name) => name.endsWith(".svg"));
    assert.deepEqual(curves, ["evalPsnr.svg", "evalSsim.svg", "loss.svg"]);
    const none = await run("train", "tokenizer", "--eval-every", "2", "--dry-run", ...onWasm);
    assert.match(none.err, /no separate test part: evaluations are on what the run is trained on/);
    assert.match(none.out, /^ {2}samples .*[KM]iB$/m);
  }));

Deno.test("train vae --eval-every: without a test part the pictures of the run, and it is said", () =>
  withFolder(async (folder) => {
    const data = await writeTinyData(join(folder, "data.npz"));
    const { err, out, code } = await run(
      ...["train", "vae", "--block-out-channels", "4,8", "--groups", "2", "--batch-size", "4"],
      ...["--data-path", data, "--steps", "2", "--log-every", "2", "--results-dir", folder],
      ...["--eval-every", "2", ...onWasm],
    );
    assert.equal(code, 0, err);
    assert.match(err, /data\.npz: has no separate test part: evaluations are on what the run is/);
    const [metrics] = await readMetrics(out.trim());
    const found = await evaluated("eval", "vae", "--ckpt", out.trim());
    assert.deepEqual([metrics.evalSamples, found.split], [16, "train"]);
    near(metrics.evalPsnr, found.value("psnr, picture"));
    near(metrics.evalSsim, found.value("ssim, picture"));
  }));
