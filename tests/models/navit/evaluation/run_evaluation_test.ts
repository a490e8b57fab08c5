/** Evaluations of a NaViT while it is trained. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { readMetrics } from "../../../../training/runs/metrics.ts";
import {
  assertFails,
  assertSameTensors,
  checkpointOf,
  devices,
  namesIn,
  onWasm,
  run,
  succeed,
  withFolder,
} from "../../../cli/runs.ts";
import { textsOf } from "../../../formats/pictures.ts";
import {
  runTraining,
  trainNaViT,
  writeMixedParts,
  writeMixedPictures,
} from "../../../cli/navit_runs.ts";

for (const { name, flags, available } of devices) {
  Deno.test({
    name: `--eval-every measures held-out pictures and leaves the bits of the run [${name}]`,
    ignore: !available,
    fn: () =>
      withFolder(async (folder) => {
        const data = await writeMixedParts(join(folder, "data"));
        const results = join(folder, "results");
        // A schedule that does not depend on how long the run is to be.
        const constant = ["--lr-schedule", "constant", ...flags];
        const plain = await trainNaViT(results, data, "--steps", "5", ...constant);
        const evaluated = await trainNaViT(
          ...[results, data, "--steps", "3", "--eval-every", "2", ...constant] as const,
        );
        await succeed("train", "navit", "--resume", evaluated, "--steps", "5", ...flags);
        await assertSameTensors(checkpointOf(evaluated, 5), checkpointOf(plain, 5));

        const metrics = await readMetrics(evaluated);
        assert.deepEqual(metrics.map(({ step }) => step), [2, 3, 4, 5]);
        assert.deepEqual(metrics.map(({ evalPictures }) => evalPictures), [12, 12, 12, 12]);
        // Of 12 pictures each that is right counts a twelfth.
        const right = metrics.map(({ evalAccuracy }) => 12 * evalAccuracy);
        assert(right.every((count) => Math.abs(count - Math.round(count)) < 1e-9), `${right}`);
        assert((await readMetrics(plain)).every(({ evalAccuracy }) => evalAccuracy === undefined));
        const log = await Deno.readTextFile(join(evaluated, "log.txt"));
        assert.match(
          log,
          /evaluated at step 4: accuracy [01]\.\d{3} on 12 held-out pictures$/m,
        );
        assert.match(log, /evaluations \d/);
        const texts = textsOf(await Deno.readTextFile(join(evaluated, "evalAccuracy.svg")));
        assert(
          texts.includes("Accuracy of evaluations") && !/left out/.test(texts.join()),
          texts.join(),
        );
        assert(!(await namesIn(plain)).includes("evalAccuracy.svg"));
      }),
  });
}

Deno.test("what --eval-every measures is what eval navit says of the checkpoint", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedParts(join(folder, "data"));
    const trained = await trainNaViT(
      ...[join(folder, "results"), data, "--steps", "40", "--eval-every", "40", ...onWasm] as const,
    );
    const { evalAccuracy } = (await readMetrics(trained)).at(-1)!;
    const report = JSON.parse(
      await succeed("eval", "navit", "--ckpt", trained, "--native", "--json", "--quiet", ...onWasm),
    );
    const native = report.settings.find(({ setting }: { setting: string }) => setting === "native");
    assert.equal(evalAccuracy, native.top1);
  });
});

Deno.test("--eval-every without pictures to evaluate on leaves no run", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "data"), 10);
    const results = join(folder, "results");
    const evaluate = ["--steps", "2", "--eval-every", "1", ...onWasm];
    const refused = await runTraining(results, data, ...evaluate);
    assertFails(refused, 1, /no separate test part to evaluate on; --holdout 0\.1 keeps/);
    await assert.rejects(Deno.stat(results), Deno.errors.NotFound);
    const trained = await trainNaViT(results, data, "--holdout", "0.2", ...evaluate);
    assert.equal((await readMetrics(trained)).at(-1)!.evalPictures, 6);
    const contrastive = await run(
      ...["train", "navit", "--loss", "contrastive", "--eval-every", "1", "--dry-run"],
    );
    assertFails(contrastive, 2, /--eval-every measures the accuracy of a classifier/);
  });
});
