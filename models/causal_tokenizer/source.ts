/**
 * A trained tokenizer as commands take it: a run, a checkpoint, or a file of weights with a configuration.
 *
 * @module
 */
import type { TensorReader } from "../../formats/tensors/safetensors.ts";
import { matchWeights } from "../../nn/weights_file.ts";
import {
  isWeightsFile,
  openCheckpointFile,
  type WeightChoice,
} from "../../training/checkpoints/checkpoint.ts";
import { autoencoderCheckpoint } from "../own_autoencoder.ts";
import { findTrained, type TrainedSource } from "../trained.ts";
import { causalTokenizerFamily } from "./family.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters } from "./model.ts";
import type { TokenizerSettings } from "./settings.ts";

/** Where weights are and what they are weights of. */
export type TokenizerSource = TrainedSource<CausalTokenizerConfig, TokenizerSettings>;

/**
 * Finds the weights of a run, a checkpoint or a file. A model of latents stands for the tokenizer that they
 * come from.
 *
 * @param given configuration for a file of weights, which has none
 * @throws InputError when there is nothing to load, or a model of another family
 */
export async function findTokenizer(
  path: string,
  choice: WeightChoice,
  given: CausalTokenizerConfig | undefined,
): Promise<TokenizerSource> {
  const { name } = causalTokenizerFamily;
  const place = await isWeightsFile(path) ? path : await autoencoderCheckpoint(name, path);
  return await findTrained(causalTokenizerFamily, place, choice, given);
}

/**
 * Opens the weights; close the reader after use.
 *
 * @throws InputError when a parameter is missing, unknown or of another shape
 */
export async function openTokenizer({ path, config }: TokenizerSource): Promise<TensorReader> {
  const file = await openCheckpointFile(path);
  try {
    return matchWeights(file, causalTokenizerParameters(config)).tensors;
  } catch (error) {
    file.close();
    throw error;
  }
}
