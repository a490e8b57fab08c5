/** A batch in parts: the same step up to rounding, in less memory, resumed exactly. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { readMetrics } from "../../../training/runs/metrics.ts";
import type { DiTRun } from "../../../models/dit/settings.ts";
import type { RunPlan } from "../../../training/runs/run.ts";
import { trainDiT } from "../../../models/dit/run.ts";
import { destroyState } from "../../../training/step/trainer.ts";
import { withFolder } from "../../cli/runs.ts";
import { eachDefaultDevice } from "../../devices.ts";
import { smallNaViTPlan, trainSmallNaViT } from "../runs/small_navit_run.ts";
import { readTrainer, smallDataset, smallPlan, trainSmall } from "../runs/small_run.ts";

/** Largest difference of a weight, moment or average after 4 steps, as a part of its tensor's largest. */
const tolerance = 1e-5;

function planInParts(accumulate: number, plan: Partial<RunPlan<DiTRun>> = {}): RunPlan<DiTRun> {
  return smallPlan({ ...plan, run: { batchSize: 8, accumulate } });
}

const largestOf = (values: Float32Array) => values.reduce((m, x) => Math.max(m, Math.abs(x)), 0);

type Tensors = ReadonlyMap<string, Float32Array>;

/** Checks that a run in parts ends with the numbers of the whole one up to rounding, not bit for bit. */
function assertSameStep(parts: number, actual: Tensors, whole: Tensors): void {
  let largest = 0;
  for (const [name, values] of actual) {
    const expected = whole.get(name)!;
    const difference = largestOf(values.map((value, index) => value - expected[index]));
    if (difference > 0) largest = Math.max(largest, difference / largestOf(expected));
  }
  assert(largest <= tolerance, `${parts} parts: ${largest}`);
  assert(largest > 0, "the parts were not added up");
}

eachDefaultDevice("2 and 4 parts of a batch make the step of the whole", async (device) => {
  const whole = await trainSmall(device, planInParts(1));
  for (const parts of [2, 4, 8]) {
    assertSameStep(parts, await trainSmall(device, planInParts(parts)), whole);
  }
});

eachDefaultDevice(
  "2 and 4 parts of packed sequences make the step of the whole",
  async (device) => {
    const inParts = (accumulate: number) =>
      trainSmallNaViT(device, smallNaViTPlan({ run: { accumulate } }));
    const whole = await inParts(1);
    for (const parts of [2, 4]) assertSameStep(parts, await inParts(parts), whole);
  },
);

eachDefaultDevice("losses and norms of parts are those of the whole", async (device) => {
  const measured = ["loss", "meanSquaredError", "variationalBound", "gradientNorm"];
  const seen: number[][] = [];
  for (const parts of [1, 4]) {
    const lines: number[] = [];
    const trainer = await trainDiT(device, smallDataset(), planInParts(parts), {
      metrics: (metrics) => lines.push(...measured.map((name) => metrics[name])),
    });
    trainer.destroy();
    destroyState(trainer.state);
    seen.push(lines);
  }
  seen[0].forEach((value, index) => {
    const ratio = seen[1][index] / value;
    assert(Math.abs(ratio - 1) < 1e-5, `${measured[index % 4]}: ${seen[1][index]}, not ${value}`);
  });
});

eachDefaultDevice("a batch in parts takes less memory, and none is left", async (device) => {
  const before = device.allocatedBytes;
  const bytes: number[] = [];
  for (const accumulate of [1, 2, 4]) {
    const plan = smallPlan({ steps: 1, run: { batchSize: 256, accumulate } });
    const trainer = await trainDiT(device, smallDataset(), plan);
    bytes.push(device.allocatedBytes - before);
    trainer.destroy();
    destroyState(trainer.state);
    assert.equal(device.allocatedBytes, before);
  }
  assert(bytes[1] < 0.75 * bytes[0] && bytes[2] < 0.8 * bytes[1], bytes.join());
});

eachDefaultDevice("a run in parts goes on exactly where it was resumed", async (device) => {
  await withFolder(async (folder) => {
    const whole = await trainSmall(device, planInParts(4, { steps: 6 }));
    await trainSmall(device, planInParts(4, { steps: 3, folder }));
    const checkpoint = join(folder, "checkpoints", "0000003");
    const start = { from: "resume", checkpoint } as const;
    const resumed = await trainSmall(device, planInParts(4, { steps: 6, start, folder }));
    assert.deepEqual(resumed, whole);
    assert.equal((await readMetrics(folder)).at(-1)!.step, 6);
  });
});

eachDefaultDevice("a part that is not finite skips its step alone", async (device) => {
  const dataset = smallDataset();
  let batch = 0;
  const damaged = {
    ...dataset,
    label: (index: number) => dataset.label(index),
    async read(indices: Uint32Array, out: Float32Array) {
      await dataset.read(indices, out);
      if (batch++ === 1) out.fill(NaN, 0, 8);
    },
  };
  const skipped: number[] = [];
  const trainer = await trainDiT(device, damaged, planInParts(4, { steps: 4, logEvery: 1 }), {
    metrics: ({ skippedSteps }) => skipped.push(skippedSteps),
  });
  assert.deepEqual(skipped, [0, 1, 0, 0]);
  for (const [name, values] of await readTrainer(trainer)) {
    assert(values.every(Number.isFinite), name);
  }
});
