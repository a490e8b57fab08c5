/**
 * Models of any family as work to be timed.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { Device } from "../../kernels/device.ts";
import type { WeightType } from "../../nn/parameters.ts";
import { loadDiTJob } from "./dit.ts";
import { loadNaViTJob, wholeSequences, withPositions } from "./navit.ts";
import type { Subject } from "../subjects.ts";
import type { Job } from "./workload.ts";

/**
 * What a model can be timed at: `train` is the step of `tessera train`, `train-plain` the bare one
 * that frameworks are compared by.
 */
export type ModelOperation = "forward" | "train" | "train-plain";

/**
 * Loads an operation of a model, with parameters of its own.
 *
 * @param batch pictures an execution; NaViT has one a sequence
 * @param weights how they are stored
 * @throws InputError for a training step with other weights than `f32`, and for what a family lacks
 */
export async function loadModelJob(
  device: Device,
  operation: ModelOperation,
  { config, tokens }: Subject,
  batch: number,
  weights: WeightType = "f32",
): Promise<Job> {
  if (operation !== "forward" && weights !== "f32") {
    throw new InputError(`${operation} with weights in ${weights}: training is in f32 only`);
  }
  if (config.family === "dit") return await loadDiTJob(device, operation, config, batch, weights);
  if (operation === "train-plain") {
    throw new InputError("train-plain is for DiT models; train is the training step of a NaViT");
  }
  const sequences = wholeSequences(config, batch, tokens);
  const model = withPositions(config, Math.ceil(Math.sqrt(tokens)));
  return await loadNaViTJob(device, operation, model, sequences, weights);
}
