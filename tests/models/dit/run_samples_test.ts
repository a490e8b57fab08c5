/** Pictures drawn during a run: they change nothing, leave nothing, and say how they were made. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { samplingPrograms } from "../../../diffusion/sampling.ts";
import { readPngMetadata } from "../../../formats/pictures/png.ts";
import { ditParameters } from "../../../models/dit/model.ts";
import { ditSampling } from "../../../models/dit/sampling.ts";
import { ditTrainingGraphs } from "../../../models/dit/step.ts";
import { forecastMemory } from "../../../training/runs/forecast.ts";
import { RunSamples, runSampling } from "../../../models/dit/run_samples.ts";
import { trainDiT } from "../../../models/dit/run.ts";
import { allocateState, destroyState } from "../../../training/step/trainer.ts";
import { namesIn, withFolder } from "../../cli/runs.ts";
import { eachDefaultDevice } from "../../devices.ts";
import { readTrainer, smallDataset, smallPlan, trainSmall } from "../../training/runs/small_run.ts";

const samples = { every: 2, steps: 3 };

eachDefaultDevice("a run has the same bits with and without pictures", async (device, { name }) => {
  await withFolder(async (folder) => {
    const before = device.allocatedBytes;
    const plan = smallPlan({ steps: 5, folder, samples });
    const { config, run } = plan.description;
    const seen = new Set<number>();
    const spent: number[] = [];
    const trainer = await trainDiT(device, smallDataset(), plan, {
      ready: () => seen.add(device.allocatedBytes),
      step: () => seen.add(device.allocatedBytes),
      finished: (time) => spent.push(time.samples, time.checkpoints, time.checkpointCount),
    });
    assert.equal(seen.size, 1, "memory grew");
    assert(spent[0] > 0 && spent[1] > 0 && spent[2] === 1, spent.join());
    if (device.kind.name === "wasm") {
      const { network, settings } = ditSampling(config, runSampling(plan.description, samples));
      const { total } = forecastMemory(
        ditParameters(config),
        ditTrainingGraphs(config, run),
        { kind: device.kind, threads: Number(/(\d) thread/.exec(name)![1]) },
        { sampler: Object.values(samplingPrograms(network, settings)) },
      );
      assert.deepEqual([...seen], [total], "the forecast");
    }
    const tensors = await readTrainer(trainer);
    trainer.destroy();
    destroyState(trainer.state);
    assert.equal(device.allocatedBytes, before);
    assert.deepEqual(tensors, await trainSmall(device, smallPlan({ steps: 5 })));

    const grids = await namesIn(join(folder, "samples"));
    assert.deepEqual(grids, ["0000002.png", "0000004.png", "0000005.png"]);
    const about = readPngMetadata(await Deno.readFile(join(folder, "samples", grids[1])));
    const { step, samplingSteps, seed, labels } = about as Record<string, unknown>;
    assert.deepEqual([step, samplingSteps, seed], [4, 3, run.seed]);
    assert.deepEqual(labels, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
  });
});

eachDefaultDevice(
  "pictures that are not finite are a warning, and the run goes on",
  async (device) => {
    await withFolder(async (folder) => {
      const plan = smallPlan({ steps: 1, folder, samples });
      const state = allocateState(device, ditParameters(plan.description.config));
      for (const buffer of state.averages.values()) {
        buffer.write(new Float32Array(buffer.elements).fill(NaN));
      }
      const warnings: string[] = [];
      const { description } = plan;
      const drawer = await RunSamples.create(
        device,
        state.averages,
        description,
        samples,
        folder,
        (line) => warnings.push(line),
      );
      await drawer.draw(7);
      drawer.destroy();
      destroyState(state);
      assert.equal(warnings.length, 1);
      assert.match(warnings[0], /^warning: no pictures of step 7: .*NaN/);
      assert.deepEqual(await namesIn(join(folder, "samples")), []);
    });
  },
);
