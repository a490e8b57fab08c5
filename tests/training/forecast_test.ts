/** The forecast of a run's memory is what the run then allocates. */
import assert from "node:assert/strict";
import { ditParameters } from "../../models/dit.ts";
import { ditTrainingGraphs } from "../../training/dit_step.ts";
import { forecastMemory } from "../../training/forecast.ts";
import { destroyState } from "../../training/trainer.ts";
import { trainDiT } from "../../training/train_dit.ts";
import { eachDevice } from "../devices.ts";
import { smallDataset, smallPlan } from "./small_run.ts";

/** WebGPU kernels may ask for small tables and scratch of their own. */
const kernelScratch = { wasm: 0, webgpu: 64 * 1024 } as const;

eachDevice("a run allocates what was forecast", async (device, { name }) => {
  for (const accumulate of [1, 4]) {
    const plan = smallPlan({ steps: 1, run: { batchSize: 16, accumulate } });
    const { config, run } = plan.description;
    const threads = /(\d) thread/.exec(name)?.[1] ?? "1";
    const { total, parts, largest } = forecastMemory(
      ditParameters(config),
      ditTrainingGraphs(config, run),
      { kind: device.kind, threads: Number(threads) },
    );
    let allocated = 0;
    const trainer = await trainDiT(device, smallDataset(), plan, {
      ready: () => allocated = device.allocatedBytes,
    });
    const excess = allocated - total;
    assert(excess >= 0 && excess <= kernelScratch[device.kind], `${accumulate}: ${excess} bytes`);
    assert.equal(device.allocatedBytes, allocated, "after the step");
    assert.equal(parts.gradients > 0, accumulate > 1);
    assert(largest.bytes > 0 && largest.bytes <= total);
    trainer.destroy();
    destroyState(trainer.state);
  }
});
