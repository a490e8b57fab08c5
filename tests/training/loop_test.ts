/** The training loop where something goes wrong or ends early, and over many steps. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import type { ImageDataset } from "../../data/dataset.ts";
import { createWasmDevice } from "../../kernels/wasm/device.ts";
import { NonFiniteLossError } from "../../training/loop.ts";
import { readMetrics } from "../../training/metrics.ts";
import { latestCheckpoint, listCheckpoints } from "../../training/run_folder.ts";
import { trainDiT } from "../../training/train_dit.ts";
import { withFolder } from "../cli/runs.ts";
import { eachDevice } from "../devices.ts";
import { readTrainer, smallDataset, smallPlan, trainSmall } from "./small_run.ts";

/** The small data set with NaN in the pictures of some batches, counted from 0. */
function damagedDataset(isDamaged: (batch: number) => boolean): ImageDataset {
  const dataset = smallDataset();
  let batch = 0;
  return {
    ...dataset,
    label: (index) => dataset.label(index),
    async read(indices, out) {
      await dataset.read(indices, out);
      if (isDamaged(batch++)) out.fill(NaN);
    },
  };
}

eachDevice(
  "a step whose gradient is not finite changes nothing but the step count",
  async (device) => {
    await withFolder(async (folder) => {
      const plan = smallPlan({ steps: 5, folder });
      const trainer = await trainDiT(device, damagedDataset((batch) => batch === 2), plan, {
        async checkpoint() {},
      });
      assert.equal(trainer.step, 5);
      for (const [name, values] of await readTrainer(trainer)) {
        assert(values.every(Number.isFinite), name);
      }
      const metrics = await readMetrics(folder);
      assert.deepEqual(metrics.map(({ step, skippedSteps }) => [step, skippedSteps]), [
        [2, 0],
        [4, 1],
        [5, 0],
      ]);
      assert(metrics.every(({ loss, gradientNorm }) => loss > 0 && gradientNorm > 0));
    });
  },
);

/** Runs until the loss is given up; returns the error. */
async function failingRun(
  folder: string,
  isDamaged: (batch: number) => boolean,
  plan: Parameters<typeof smallPlan>[0],
): Promise<NonFiniteLossError> {
  const device = await createWasmDevice({ threads: 1 });
  try {
    await trainDiT(device, damagedDataset(isDamaged), smallPlan({ folder, ...plan }));
  } catch (error) {
    assert(error instanceof NonFiniteLossError);
    assert.equal(error.exitCode, 3);
    return error;
  } finally {
    device.close();
  }
  assert.fail("the run did not end");
}

Deno.test("a loss that stays not finite ends the run, and the last good checkpoint stays", async () => {
  await withFolder(async (folder) => {
    const { message } = await failingRun(folder, (batch) => batch >= 5, {
      steps: 1000,
      checkpointEvery: 2,
      keep: 1,
    });
    assert.deepEqual(await listCheckpoints(folder), ["0000004"]);
    assert(message.includes(`up to step 26; the last good checkpoint is ${folder}`), message);
    assert.equal((await readMetrics(folder)).at(-1)!.step, 26);
  });
});

Deno.test("a run that ends in skipped steps does not save them", async () => {
  await withFolder(async (folder) => {
    const { message } = await failingRun(folder, (batch) => batch >= 3, {
      steps: 6,
      checkpointEvery: 3,
    });
    assert.deepEqual(await listCheckpoints(folder), ["0000003"]);
    assert.match(message, /^the loss has not been finite for 3 steps up to step 6; /);
  });
});

Deno.test("a run stopped before its first step can be resumed", async () => {
  await withFolder(async (folder) => {
    const device = await createWasmDevice({ threads: 1 });
    try {
      const stopped = await trainDiT(device, smallDataset(), smallPlan({ folder }), {
        signal: AbortSignal.abort(),
      });
      assert.equal(stopped.step, 0);
      const checkpoint = join(folder, "checkpoints", "0000000");
      assert.equal(await latestCheckpoint(folder), checkpoint);
      const start = { from: "resume", checkpoint } as const;
      const resumed = await trainSmall(device, smallPlan({ folder, start }));
      assert.deepEqual(resumed, await trainSmall(device, smallPlan()));
    } finally {
      device.close();
    }
  });
});

Deno.test("a run stopped at every step ends with the same bits", async () => {
  await withFolder(async (folder) => {
    const device = await createWasmDevice({ threads: 1 });
    try {
      for (let done = 0; done < 6; done++) {
        const checkpoint = await latestCheckpoint(folder);
        const stop = new AbortController();
        const plan = smallPlan({
          steps: 6,
          folder,
          start: checkpoint === undefined ? { from: "seed" } : { from: "resume", checkpoint },
        });
        const trainer = await trainDiT(device, smallDataset(), plan, {
          signal: stop.signal,
          step: () => stop.abort(),
        });
        assert.equal(trainer.step, done + 1);
        if (trainer.step < 6) continue;
        assert.deepEqual(
          await readTrainer(trainer),
          await trainSmall(device, smallPlan({ steps: 6 })),
        );
      }
      assert.deepEqual((await readMetrics(folder)).map(({ step }) => step), [2, 4, 6]);
    } finally {
      device.close();
    }
  });
});
