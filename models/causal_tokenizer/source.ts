/**
 * A trained tokenizer as commands take it: a run, a checkpoint, or a file of weights with a configuration.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { TensorReader } from "../../formats/tensors/safetensors.ts";
import { matchWeights } from "../../nn/weights_file.ts";
import {
  findWeights,
  isWeightsFile,
  openCheckpointFile,
  type WeightChoice,
} from "../../training/checkpoints/checkpoint.ts";
import { type Manifest, readManifestOf } from "../../training/checkpoints/manifest.ts";
import { orNewestWhole } from "../../training/checkpoints/whole_checkpoint.ts";
import { resolveCheckpoint } from "../../training/runs/run_folder.ts";
import { causalTokenizerFamily } from "./family.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters } from "./model.ts";
import type { TokenizerRun } from "./settings.ts";

/** Where weights are and what they are weights of. */
export interface TokenizerSource {
  /** Size and shape. */
  readonly config: CausalTokenizerConfig;
  /** The file of weights. */
  readonly path: string;
  /** Says that the weights are not those that were asked for. */
  readonly note?: string;
  /** Everything else that a checkpoint says; absent for a file of weights. */
  readonly manifest?: Manifest<TokenizerRun>;
}

/**
 * Finds the weights of a run, a checkpoint or a file.
 *
 * @param given configuration for a file of weights, which has none
 * @throws InputError when there is nothing to load, or a model of another family
 */
export async function findTokenizer(
  path: string,
  choice: WeightChoice,
  given: CausalTokenizerConfig | undefined,
): Promise<TokenizerSource> {
  if (await isWeightsFile(path)) {
    if (given) return { config: given, path };
    throw new InputError(
      `${path}: a file of weights does not say which model it is of; give --config, ` +
        "such as CausalTokenizer",
    );
  }
  const folder = await resolveCheckpoint(path);
  const manifest = await orNewestWhole(folder, readManifestOf(causalTokenizerFamily, folder));
  if (given) throw new InputError(`${path}: a checkpoint has its own configuration, no --config`);
  return { ...await findWeights(folder, choice), config: manifest.config, manifest };
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
