/** The training loop where something goes wrong or ends early, and over many steps. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { InputError } from "../../../base/errors.ts";
import type { ImageDataset } from "../../../data/dataset.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { NonFiniteLossError } from "../../../training/runs/loop.ts";
import { readMetrics } from "../../../training/runs/metrics.ts";
import type { Start } from "../../../training/runs/run.ts";
import { latestCheckpoint, listCheckpoints } from "../../../training/runs/run_folder.ts";
import { trainDiT } from "../../../models/dit/run.ts";
import { trainNaViT } from "../../../models/navit/run.ts";
import { withFolder } from "../../cli/runs.ts";
import { eachDefaultDevice } from "../../devices.ts";
import { smallNaViTPlan, smallPictures, smallRuns } from "./small_navit_run.ts";
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

eachDefaultDevice(
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

/** The small data set, the first batches of which can be read; everything after is gone. */
function vanishingDataset(batches: number): ImageDataset {
  const dataset = smallDataset();
  let read = 0;
  return {
    ...dataset,
    label: (index) => dataset.label(index),
    async read(indices, out) {
      if (read++ >= batches) throw new InputError("the pictures are gone");
      await dataset.read(indices, out);
    },
  };
}

Deno.test("when the data are gone, the steps made are saved and the run goes on from them", async () => {
  await withFolder(async (folder) => {
    const device = await createWasmDevice({ threads: 1 });
    const plan = smallPlan({ steps: 12, checkpointEvery: 100 });
    const whole = await trainDiT(device, smallDataset(), { ...plan, folder: `${folder}/whole` });
    const path = `${folder}/stopped`;
    const stopped = trainDiT(device, vanishingDataset(7), { ...plan, folder: path });
    await assert.rejects(stopped, /^InputError: the pictures are gone$/);
    const [checkpoint] = await listCheckpoints(path);
    assert(Number(checkpoint) >= 5, checkpoint);
    const start: Start = {
      from: "resume",
      checkpoint: join(path, "checkpoints", checkpoint),
    };
    const resumed = await trainDiT(device, smallDataset(), { ...plan, folder: path, start });
    assert.deepEqual(await readTrainer(resumed), await readTrainer(whole));
    device.close();
  });
});

Deno.test("when anything else fails between steps, the steps made are saved", async () => {
  for (const event of ["step", "metrics", "draw"] as const) {
    await withFolder(async (folder) => {
      const device = await createWasmDevice({ threads: 1 });
      const samples = { every: 3, steps: 1 };
      const plan = smallPlan({ steps: 9, logEvery: 3, checkpointEvery: 100, folder });
      let calls = 0;
      const failing = () => {
        calls++;
        if (event !== "step" || calls === 3) throw new Error(`no ${event}`);
      };
      const events = { [event]: event === "draw" ? () => Promise.try(failing) : failing };
      const stopped = trainDiT(device, smallDataset(), { ...plan, samples }, events);
      await assert.rejects(stopped, new RegExp(`no ${event}`));
      assert.deepEqual(await listCheckpoints(folder), ["0000003"]);
      device.close();
    });
  }
});

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

for (const [family, train] of Object.entries(smallRuns)) {
  Deno.test(`a run of a ${family} stopped at every step ends with the same bits`, async () => {
    await withFolder(async (folder) => {
      const device = await createWasmDevice({ threads: 1 });
      try {
        for (let done = 0; done < 6; done++) {
          const checkpoint = await latestCheckpoint(folder);
          const stop = new AbortController();
          const start: Start = checkpoint === undefined
            ? { from: "seed" }
            : { from: "resume", checkpoint };
          const trainer = await train(device, { steps: 6, folder, start }, {
            signal: stop.signal,
            step: () => stop.abort(),
          });
          assert.equal(trainer.step, done + 1);
          if (trainer.step < 6) continue;
          const whole = await train(device, { steps: 6 });
          assert.deepEqual(await readTrainer(trainer), await readTrainer(whole));
        }
        assert.deepEqual((await readMetrics(folder)).map(({ step }) => step), [2, 4, 6]);
      } finally {
        device.close();
      }
    });
  });
}

eachDefaultDevice("a NaViT learns a handful of pictures by heart", async (device) => {
  const losses: number[] = [];
  const plan = smallNaViTPlan({
    steps: 150,
    logEvery: 10,
    run: {
      learningRate: 1e-2,
      flip: false,
      dropping: { kind: "none" },
      resolution: { kind: "fixed", side: 14 },
    },
  });
  await trainNaViT(device, smallPictures(), plan, { metrics: ({ loss }) => losses.push(loss) });
  // Three classes start at log 3 = 1.0986.
  assert(losses[0] > 0.5 && losses[0] < 1.2, `${losses}`);
  assert(losses.at(-1)! < 0.02, `${losses}`);
});
