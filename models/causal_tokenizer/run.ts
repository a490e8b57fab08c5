/**
 * The training run of a tokenizer.
 *
 * @module
 */
import type { Device } from "../../kernels/device.ts";
import { pictureBatches } from "../../training/runs/batch_source.ts";
import type { LoopEvents } from "../../training/runs/loop.ts";
import { type RunPlan, runTraining } from "../../training/runs/run.ts";
import type { Trainer } from "../../training/step/trainer.ts";
import { startingWeights } from "../perceptual/loss.ts";
import { reconstructionEvaluator } from "../reconstruction/evaluator.ts";
import { RunReconstructions } from "../reconstruction/run.ts";
import { checkTokenizerData, type TokenizerData } from "./data.ts";
import { inflation } from "./inflate.ts";
import { causalTokenizerParameters } from "./model.ts";
import { tokenizerReconstructions, tokenizerSheets } from "./reconstructions.ts";
import type { TokenizerRun } from "./settings.ts";
import { tokenizerCompanions, tokenizerTrainingGraphs } from "./step.ts";

/**
 * Trains, and returns the trainer with its states on the device.
 *
 * @param heldOut what is evaluated while it goes on, of the size of the others; the others unless told
 */
export async function trainTokenizer(
  device: Device,
  data: TokenizerData,
  plan: RunPlan<TokenizerRun>,
  events: LoopEvents & { ready?(trainer: Trainer): void } = {},
  heldOut: TokenizerData = data,
): Promise<Trainer> {
  const { description, start, samples, folder } = plan;
  const { config, run } = description;
  const { seed, batchSize, flip, perceptual } = run;
  checkTokenizerData(config, data);
  const weights = await startingWeights(perceptual, start);
  return await runTraining(
    device,
    {
      specifications: causalTokenizerParameters(config),
      otherForm: inflation(config),
      companions: tokenizerCompanions(run, weights),
      graphs: tokenizerTrainingGraphs(config, run),
      batches: (startStep) => pictureBatches(data, { seed, batchSize, flip, startStep }),
      drawer: async ({ averages }) => {
        if (!samples || folder === undefined) return undefined;
        const sheets = await tokenizerSheets(description, data);
        return await RunReconstructions.create(device, averages, sheets, folder);
      },
      evaluator: async ({ averages }) => {
        if (!plan.evaluations) return undefined;
        const program = tokenizerReconstructions(config, run.clip);
        return await reconstructionEvaluator(device, averages, program, heldOut);
      },
    },
    plan,
    events,
  );
}
