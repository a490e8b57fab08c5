/** `tessera train --fork` and `--allow-changes`: runs that go on otherwise, or elsewhere. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { readManifest } from "../../../training/checkpoints/manifest.ts";
import { readMetrics } from "../../../training/runs/metrics.ts";
import {
  assertFails,
  assertSameTensors,
  checkpointOf,
  devices,
  onWasm,
  run,
  succeed,
  train,
  withFolder,
} from "../runs.ts";
import { trainNaViT, writeMixedParts, writeMixedPictures } from "../navit_runs.ts";

for (const { name, flags, available } of devices) {
  Deno.test({
    name: `a fork of an older checkpoint makes the steps of its run, bit for bit [${name}]`,
    ignore: !available,
    fn: () =>
      withFolder(async (results) => {
        const whole = await train(results, "--steps", "6", "--ckpt-every", "3", ...flags);
        const origin = checkpointOf(whole, 3);
        const fork = await succeed(
          ...["train", "dit", "--fork", origin, "--results-dir", results, ...flags],
        );
        assert.equal(fork, join(results, "001-DiT-XS-4"));
        assert.equal(
          await succeed(
            ...["train", "dit", "--fork", whole, "--results-dir", results, ...flags],
            ...["--steps", "7"],
          ),
          join(results, "002-DiT-XS-4"),
        );
        await assertSameTensors(checkpointOf(fork, 6), checkpointOf(whole, 6));
        const { forkedFrom, changes } = await readManifest(checkpointOf(fork, 6));
        assert.deepEqual({ forkedFrom, changes }, {
          forkedFrom: { checkpoint: origin, step: 3 },
          changes: undefined,
        });
        assert.match(
          await Deno.readTextFile(join(fork, "log.txt")),
          /goes on from step 3 of .*0000003$/m,
        );
      }),
  });
}

Deno.test("a fork of packed batches has their place in the stream, also before its first step", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedParts(join(folder, "data"));
    const results = join(folder, "results");
    const whole = await trainNaViT(
      ...[results, data, "--steps", "5", "--ckpt-every", "3", ...onWasm] as const,
    );
    const go = (...args: string[]) =>
      succeed("train", "navit", "--results-dir", results, ...onWasm, ...args);
    const fork = await go("--fork", checkpointOf(whole, 3), "--steps", "3");
    await go("--resume", fork, "--steps", "5");
    await assertSameTensors(checkpointOf(fork, 5), checkpointOf(whole, 5));
  });
});

Deno.test("--allow-changes lr goes on with another rate, which the checkpoints and the log say", async () => {
  await withFolder(async (results) => {
    const folder = await train(results, "--steps", "2", ...onWasm);
    const resume = ["train", "dit", ...onWasm, "--resume", folder, "--steps", "4"];
    const refused = await run(...resume, "--lr", "1e-3");
    assertFails(refused, 2, /--lr cannot be given; --allow-changes lr changes it.*--fork/);
    assertFails(await run(...resume, "--lr", "1e-3", "--allow-changes", "data"), 2, /changes lr/);
    assertFails(await run(...resume, "--lr", "1e-3", "--allow-changes", "rate"), 2, /lr, opt/);
    assertFails(
      await run(...resume, "--allow-changes", "lr", "--batch-size", "4"),
      2,
      /--batch-size cannot be given; use --init-from/,
    );
    const change = ["--allow-changes", "lr", "--lr", "1e-3", "--lr-schedule", "cosine"];
    await succeed(...resume, ...change);
    const { run: settings, changes } = await readManifest(checkpointOf(folder, 4));
    assert.equal(settings.learningRate, 1e-3);
    assert.deepEqual(settings.rateSchedule, { kind: "cosine", warmup: 0, steps: 4, minimum: 0 });
    assert.deepEqual(changes?.map(({ step, before }) => ({ step, before })), [{
      step: 2,
      before: { learningRate: 3e-3, rateSchedule: { kind: "constant", warmup: 0 } },
    }]);
    const log = await Deno.readTextFile(join(folder, "log.txt"));
    assert.match(log, /^\S+Z {2}changed after step 2: learningRate from 0\.003 to 0\.001$/m);
    const metrics = await readMetrics(folder);
    assert.equal(metrics.at(-1)!.learningRate, 0);
  });
});

Deno.test("a resumed run takes added pictures when it may, and says what it had before", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "data"), 6);
    const results = join(folder, "results");
    const trained = await trainNaViT(results, data, "--steps", "3", ...onWasm);
    const { dataFingerprint } = await readManifest(checkpointOf(trained, 3));
    await writeMixedPictures(data, 2, 50);
    const resume = ["train", "navit", "--resume", trained, "--steps", "5", ...onWasm];
    assertFails(await run(...resume), 1, /not the pictures .*--allow-changes data/);
    await succeed(...resume, "--allow-changes", "data");
    const { changes } = await readManifest(checkpointOf(trained, 5));
    assert.deepEqual(changes?.map(({ step, before }) => ({ step, before })), [
      { step: 3, before: { dataFingerprint } },
    ]);
    await succeed("train", "navit", "--resume", trained, "--steps", "6", ...onWasm);
  });
});
