/** The forecast of a run's memory is what the run then allocates. */
import assert from "node:assert/strict";
import type { Device } from "../../../kernels/device.ts";
import { ditParameters } from "../../../models/dit/model.ts";
import { navitParameters } from "../../../models/navit/model.ts";
import type { ParameterSpecification } from "../../../nn/parameters.ts";
import { ditTrainingGraphs } from "../../../models/dit/step.ts";
import { forecastMemory } from "../../../training/runs/forecast.ts";
import type { LoopEvents } from "../../../training/runs/loop.ts";
import { navitTrainingGraphs } from "../../../models/navit/step.ts";
import type { StepGraphs } from "../../../training/step/step_graphs.ts";
import { trainDiT } from "../../../models/dit/run.ts";
import { trainNaViT } from "../../../models/navit/run.ts";
import { destroyState, type Trainer } from "../../../training/step/trainer.ts";
import { type DeviceChoice, eachDefaultDevice, kernelScratch } from "../../devices.ts";
import { smallNaViTPlan, smallPictures } from "./small_navit_run.ts";
import { smallDataset, smallPlan } from "./small_run.ts";

/** Checks a forecast against what a run of one step allocates. */
async function assertForecast(
  device: Device,
  { name }: DeviceChoice,
  specifications: readonly ParameterSpecification[],
  graphs: StepGraphs,
  train: (events: LoopEvents & { ready(): void }) => Promise<Trainer>,
): Promise<void> {
  const threads = Number(/(\d) thread/.exec(name)?.[1] ?? "1");
  const target = { kind: device.kind, threads };
  const { total, parts, largest } = forecastMemory(specifications, graphs, target);
  let allocated = 0;
  const trainer = await train({ ready: () => allocated = device.allocatedBytes });
  const excess = allocated - total;
  assert(
    excess >= 0 && excess <= kernelScratch[device.kind.name],
    `${graphs.parts}: ${excess} bytes`,
  );
  assert.equal(device.allocatedBytes, allocated, "after the step");
  assert.equal(parts.gradients > 0, graphs.parts > 1);
  assert(largest.bytes > 0 && largest.bytes <= total);
  trainer.destroy();
  destroyState(trainer.state);
}

eachDefaultDevice("a run of a DiT allocates what was forecast", async (device, choice) => {
  for (const accumulate of [1, 4]) {
    const plan = smallPlan({ steps: 1, run: { batchSize: 16, accumulate } });
    const { config, run } = plan.description;
    const graphs = ditTrainingGraphs(config, run);
    await assertForecast(
      device,
      choice,
      ditParameters(config),
      graphs,
      (events) => trainDiT(device, smallDataset(), plan, events),
    );
  }
});

eachDefaultDevice("a run of a NaViT allocates what was forecast", async (device, choice) => {
  const cases = [{ accumulate: 1 }, { accumulate: 4 }, { loss: "contrastive" }] as const;
  for (const settings of cases) {
    const plan = smallNaViTPlan({ steps: 1, run: settings });
    const { config, run } = plan.description;
    const graphs = navitTrainingGraphs(config, run);
    await assertForecast(
      device,
      choice,
      navitParameters(config),
      graphs,
      (events) => trainNaViT(device, smallPictures(), plan, events),
    );
  }
});
