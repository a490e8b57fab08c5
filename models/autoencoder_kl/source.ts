/**
 * Where the weights of an autoencoder are: a run of this tool, a folder of diffusers, a file.
 *
 * @module
 */
import { dirname } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { describeNonFinite } from "../../base/finite.ts";
import { matchWeights } from "../../nn/weights_file.ts";
import {
  findWeights,
  isWeightsFile,
  openCheckpointFile,
  type WeightChoice,
} from "../../training/checkpoints/checkpoint.ts";
import { diffusersConfig, diffusersWeights } from "../../training/checkpoints/diffusers_folder.ts";
import { type Manifest, readManifestOf } from "../../training/checkpoints/manifest.ts";
import { orNewestWhole } from "../../training/checkpoints/whole_checkpoint.ts";
import { NonFiniteCodecError } from "../codec.ts";
import { encoderHash } from "../encode.ts";
import { autoencoderCheckpoint } from "../own_autoencoder.ts";
import { checkAutoencoderKLConfig } from "./config.ts";
import { autoencoderKLFamily } from "./family.ts";
import { type AutoencoderKLConfig, autoencoderKLParameters } from "./model.ts";
import type { AutoencoderKLRun } from "./settings.ts";

/** Where weights are and what they are weights of. */
export interface AutoencoderKLSource {
  /** Size and shape of the model. */
  readonly config: AutoencoderKLConfig;
  /** A safetensors file. */
  readonly path: string;
  /** Says that the weights are not those that were asked for. */
  readonly note?: string;
  /** Everything else that a checkpoint says; absent for other weights. */
  readonly manifest?: Manifest<AutoencoderKLRun>;
}

/** The weights of an autoencoder in memory. */
export interface AutoencoderKLWeights extends AutoencoderKLSource {
  /**
   * Identifies the encoder, which decides what latents mean, under whatever names a file has its weights:
   * the published decoders for it differ.
   */
  readonly hash: string;
  /** The values of a parameter. */
  values(name: string): Float32Array;
}

/**
 * Finds the weights of a run folder, a checkpoint folder, a folder of diffusers, or a file with a
 * configuration given or beside it. A model of latents stands for the autoencoder that they come from.
 *
 * @throws InputError when there is nothing to load
 */
export async function findAutoencoderKL(
  path: string,
  choice: WeightChoice,
  config?: AutoencoderKLConfig,
): Promise<AutoencoderKLSource> {
  if (await isWeightsFile(path)) {
    const found = config ?? await diffusersConfig(dirname(path), checkAutoencoderKLConfig);
    if (found) return { config: found, path };
    throw new InputError(`${path}: a bare weights file needs --config with the model's JSON`);
  }
  const found = await diffusersConfig(path, checkAutoencoderKLConfig);
  if (found) return { config: found, path: await diffusersWeights(path) };
  const checkpoint = await autoencoderCheckpoint(autoencoderKLFamily.name, path);
  const manifest = await orNewestWhole(checkpoint, readManifestOf(autoencoderKLFamily, checkpoint));
  return { config: manifest.config, manifest, ...await findWeights(checkpoint, choice) };
}

/**
 * Reads the weights.
 *
 * @throws InputError when the file is damaged, a parameter is missing, unknown or of another shape;
 * NonFiniteCodecError when one is not finite
 */
export async function readAutoencoderKL(
  source: AutoencoderKLSource,
): Promise<AutoencoderKLWeights> {
  return await orNewestWhole(dirname(source.path), readValues(source));
}

async function readValues(source: AutoencoderKLSource): Promise<AutoencoderKLWeights> {
  const specifications = autoencoderKLParameters(source.config);
  using file = await openCheckpointFile(source.path);
  const { tensors } = matchWeights(file, specifications);
  const values = new Map<string, Float32Array>();
  for (const name of tensors.tensors.keys()) {
    values.set(name, tensors.readFloat32(name));
    const problem = describeNonFinite(name, values.get(name)!);
    if (problem !== undefined) throw new NonFiniteCodecError(`${source.path}: ${problem}`);
  }
  file.checkContents();
  const of = (name: string) => values.get(name)!;
  const { scalingFactor: _, ...architecture } = source.config;
  const encoder = specifications.map(({ name }) => name)
    .filter((name) => /^(?:encoder|quant_conv)\./.test(name));
  return { ...source, hash: encoderHash(architecture, encoder, of), values: of };
}
