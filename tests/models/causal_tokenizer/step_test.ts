/** The step of a tokenizer and its discriminator: memory, learning, skipped steps. */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { input, state } from "../../../kernels/tensor.ts";
import { MemoryDataset } from "../../../data/memory_dataset.ts";
import type { CausalTokenizerConfig } from "../../../models/causal_tokenizer/model.ts";
import { causalTokenizerParameters } from "../../../models/causal_tokenizer/model.ts";
import { trainTokenizer } from "../../../models/causal_tokenizer/run.ts";
import type { TokenizerRun } from "../../../models/causal_tokenizer/settings.ts";
import {
  tokenizerCompanions,
  tokenizerTrainingGraphs,
} from "../../../models/causal_tokenizer/step.ts";
import { paperWeights } from "../../../models/causal_tokenizer/weights.ts";
import { forecastMemory } from "../../../training/runs/forecast.ts";
import type { RunPlan } from "../../../training/runs/run.ts";
import { whereSkipped } from "../../../training/step/optimizer.ts";
import { destroyState } from "../../../training/step/trainer.ts";
import { deviceChoices } from "../../devices.ts";
import { interpret } from "../../reference/interpreter.ts";
import { soaking } from "../../scale.ts";

const config: CausalTokenizerConfig = {
  family: "causal-tokenizer",
  baseChannels: 2,
  multipliers: [1],
  blocksPerLevel: 1,
  latentChannels: 2,
  temporalDownsampling: [],
  temporalKernel: 1,
  groups: 1,
};

const clip = { frames: 1, height: 4, width: 4 };

const pictures = new MemoryDataset({
  name: "made up",
  channels: 3,
  height: 4,
  width: 4,
  classNames: ["a"],
  pixels: Uint8Array.from({ length: 4 * 48 }, (_, index) => index * 37 % 256),
  labels: [0, 0, 0, 0],
});

const run: TokenizerRun["run"] = {
  seed: 1,
  flip: false,
  clipNorm: 0,
  learningRate: 1e-2,
  weightDecay: 0,
  averageDecay: 0.999,
  betas: [0, 0.99],
  batchSize: 2,
  clip,
  discriminator: { baseChannels: 2, multipliers: [2] },
  weights: paperWeights,
};

const plan = (
  steps: number,
  changes: Partial<TokenizerRun["run"]> = {},
): RunPlan<TokenizerRun> => ({
  steps,
  logEvery: 1,
  checkpointEvery: steps,
  keep: 1,
  start: { from: "seed" },
  description: {
    format: "tessera-checkpoint",
    version: 2,
    config,
    classNames: ["a"],
    run: { ...run, ...changes },
    dataFingerprint: pictures.fingerprint,
    dataPath: "made up",
  },
});

for (const { name, available, create } of deviceChoices) {
  Deno.test({
    name: `a tokenizer and its discriminator learn, in the memory that was forecast [${name}]`,
    // On a software adapter the kernels of both networks take longer to compile than all other tests.
    ignore: !available || name.includes("strict") ||
      (!name.includes("thread") && !soaking),
    async fn() {
      const device = await create();
      try {
        let allocated = 0;
        const losses: number[] = [];
        const trainer = await trainTokenizer(device, pictures, plan(12), {
          ready: () => allocated = device.allocatedBytes,
          metrics: ({ l2, discriminating }) => losses.push(l2, discriminating),
        });
        assert(losses.every(Number.isFinite));
        assert(losses.at(-2)! < losses[0] && losses.at(-1)! < losses[1], `${losses}`);
        const running = await trainer.state.parameters.get("discriminator.running_logits")!.read();
        assert(running.every((mean) => mean !== 0));
        const threads = name.includes("2 threads") ? 2 : 1;
        const { total } = forecastMemory(
          causalTokenizerParameters(config),
          tokenizerTrainingGraphs(config, run),
          { kind: device.kind, threads },
          { companions: tokenizerCompanions(run) },
        );
        if (name.includes("thread")) assert.equal(allocated, total);
        trainer.destroy();
        destroyState(trainer.state);
      } finally {
        device.close();
      }
    },
  });
}

Deno.test("a skipped step leaves the running means of LeCAM as they are, also beside NaN", () => {
  const [running, flag, next] = [state("running", [2]), input("flag", []), input("next", [2])];
  const updates = [{ state: running, value: whereSkipped(flag, running, next) }];
  const program = compile(makeGraph("follow", { updates }));
  const after = (skipped: number, value: number) =>
    interpret(
      program,
      new Map([["flag", [skipped]], ["next", [value, value]]]),
      new Map([["running", [1, 2]]]),
    ).get("running")!;
  assert.deepEqual([...after(1, NaN)], [1, 2]);
  assert.deepEqual([...after(0, 5)], [5, 5]);
});

Deno.test("a step against a discriminator has no parts", () => {
  assert.throws(
    () => tokenizerTrainingGraphs(config, { ...run, accumulate: 2 }),
    { name: "RangeError", message: /against an adversary has no parts/ },
  );
});
