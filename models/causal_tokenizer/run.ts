/**
 * The training run of a tokenizer.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import type { Device } from "../../kernels/device.ts";
import { pictureBatches } from "../../training/runs/batch_source.ts";
import type { LoopEvents } from "../../training/runs/loop.ts";
import { type RunPlan, runTraining } from "../../training/runs/run.ts";
import type { Trainer } from "../../training/step/trainer.ts";
import { checkClipSize, type ClipSize } from "../codec.ts";
import { causalTokenizerCodec } from "./graph.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters, colours } from "./model.ts";
import { readPerceptualWeights } from "./perceptual.ts";
import type { TokenizerRun } from "./settings.ts";
import { tokenizerCompanions, tokenizerTrainingGraphs } from "./step.ts";

/** Pictures, or clips, which say how many frames they have. */
export type TokenizerData = ImageDataset & { readonly frames?: number };

/** The size of the samples of a set; a picture is a clip of one frame. */
export const clipOf = ({ frames = 1, height, width }: TokenizerData): ClipSize => ({
  frames,
  height,
  width,
});

/**
 * Checks that a tokenizer can be trained on a set.
 *
 * @throws InputError with the nearest valid values
 */
export function checkTokenizerData(config: CausalTokenizerConfig, data: TokenizerData): void {
  checkClipSize(causalTokenizerCodec.grid(config), clipOf(data), data.name);
  if (data.channels === colours) return;
  throw new InputError(`${data.name}: has ${data.channels} channels, a tokenizer ${colours}`);
}

/** Trains, and returns the trainer with its states on the device. */
export async function trainTokenizer(
  device: Device,
  data: TokenizerData,
  plan: RunPlan<TokenizerRun>,
  events: LoopEvents & { ready?(trainer: Trainer): void } = {},
): Promise<Trainer> {
  const { description: { config, run }, start } = plan;
  const { seed, batchSize, flip, perceptual } = run;
  checkTokenizerData(config, data);
  const goesOn = start.from === "resume" || start.from === "fork";
  const weights = perceptual && !goesOn ? await readPerceptualWeights(perceptual) : undefined;
  return await runTraining(
    device,
    {
      specifications: causalTokenizerParameters(config),
      companions: tokenizerCompanions(run, weights),
      graphs: tokenizerTrainingGraphs(config, run),
      batches: (startStep) => pictureBatches(data, { seed, batchSize, flip, startStep }),
    },
    plan,
    events,
  );
}
