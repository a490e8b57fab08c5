/**
 * A trained DiT opened for sampling: weights on a device and everything the checkpoint says.
 *
 * @module
 */
import { dirname } from "@std/path";
import { InputError } from "../../base/errors.ts";
import type { LatentSettings } from "../../data/latents/cache.ts";
import type { Objective } from "../../diffusion/objective.ts";
import type { Network } from "../../diffusion/step_conditions.ts";
import { SamplingProgram, type SamplingSettings } from "../../diffusion/sampling.ts";
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { checkDiTConfig } from "./config.ts";
import { ditNetwork } from "./network.ts";
import { type DiTConfig, ditParameters } from "./model.ts";
import { lookup, parameterStates, type WeightType } from "../../nn/parameters.ts";
import {
  findWeights,
  isWeightsFile,
  type WeightChoice,
} from "../../training/checkpoints/checkpoint.ts";
import { ditFamily } from "./family.ts";
import { diffusersConfig, diffusersWeights } from "../../training/checkpoints/diffusers_folder.ts";
import { readManifestOf } from "../../training/checkpoints/manifest.ts";
import { orNewestWhole } from "../../training/checkpoints/whole_checkpoint.ts";
import { resolveCheckpoint } from "../../training/runs/run_folder.ts";
import { numberedClasses } from "../classes.ts";
import { withOwnAutoencoder } from "../own_autoencoder.ts";
import imagenetClasses from "./imagenet_classes.json" with { type: "json" };
import { loadParameters } from "../trained.ts";

/** Where weights are and what they are weights of. */
export interface DiTSource {
  /** Size and shape of the model. */
  readonly config: DiTConfig;
  /** A safetensors file. */
  readonly path: string;
  /** Names in the order of the labels. */
  readonly classNames: readonly string[];
  /** Optimizer steps behind the weights, if known. */
  readonly step?: number;
  /** Says that the weights are not those that were asked for. */
  readonly note?: string;
  /** What it draws, if it was trained on latents. */
  readonly latents?: LatentSettings;
  /** What it was trained to predict; the noise when absent. */
  readonly objective?: Objective;
  /** The data that it was trained on, if known. */
  readonly dataPath?: string;
}

/**
 * Finds the weights of a run folder, a checkpoint folder, a folder of diffusers, or a file with a
 * configuration given or beside it.
 *
 * @throws InputError when there is nothing to load
 */
export async function findDiT(
  path: string,
  choice: WeightChoice,
  config?: DiTConfig,
): Promise<DiTSource> {
  if (await isWeightsFile(path)) {
    const found = config ?? await diffusersConfig(dirname(path), checkDiTConfig);
    if (!found) {
      throw new InputError(`${path}: a bare weights file needs --config with the model's JSON`);
    }
    return { config: found, path, classNames: publishedClasses(found) };
  }
  const found = await diffusersConfig(path, checkDiTConfig);
  if (found) {
    const classNames = publishedClasses(found);
    return { config: found, path: await diffusersWeights(path), classNames };
  }
  const checkpoint = await resolveCheckpoint(path);
  const manifest = withOwnAutoencoder(
    checkpoint,
    await orNewestWhole(checkpoint, readManifestOf(ditFamily, checkpoint)),
  );
  return {
    config: manifest.config,
    ...await findWeights(checkpoint, choice),
    classNames: manifest.classNames,
    step: manifest.step,
    latents: manifest.run.latents,
    objective: manifest.run.objective,
    dataPath: manifest.dataPath,
  };
}

/** Classes of weights that do not name them: a thousand are those of ImageNet, as in the paper. */
const publishedClasses = ({ classes }: DiTConfig): readonly string[] =>
  classes === imagenetClasses.length ? imagenetClasses : numberedClasses(classes);

/**
 * Allocates the parameters of a model and reads them.
 *
 * @param weights how they are stored on the device
 * @throws InputError when a parameter is missing, unknown, of another shape, or too large for `f16`
 */
export async function loadDiT(
  device: Device,
  { config, path }: DiTSource,
  weights?: WeightType,
): Promise<ReadonlyMap<string, DeviceBuffer>> {
  return await loadParameters(device, ditParameters(config), path, weights);
}

/** A sampling program of a DiT with its parameters, however they are stored. */
export async function createDiTSampler(
  device: Device,
  config: DiTConfig,
  parameters: ReadonlyMap<string, DeviceBuffer>,
  settings: Omit<SamplingSettings, "pictureShape" | "nullLabel">,
): Promise<SamplingProgram> {
  const halves = [...parameters.values()].some(({ dtype }) => dtype === "f16");
  const sampling = ditSampling(config, settings, halves ? "f16" : "f32");
  return await SamplingProgram.create(device, sampling.network, sampling.settings, parameters);
}

/** What is sampled: a DiT as a network, and its shape among the settings. */
export function ditSampling(
  config: DiTConfig,
  settings: Omit<SamplingSettings, "pictureShape" | "nullLabel">,
  weights?: WeightType,
): { readonly network: Network; readonly settings: SamplingSettings } {
  const states = lookup(parameterStates(ditParameters(config), weights));
  return {
    network: ditNetwork(config, states),
    settings: {
      ...settings,
      pictureShape: [config.channels, config.inputSize, config.inputSize],
      nullLabel: config.classes,
    },
  };
}
