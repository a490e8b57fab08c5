/**
 * Trained weights of any family: where they are, and how they come into the memory of a device.
 *
 * @module
 */
import { InputError } from "../base/errors.ts";
import type { Device, DeviceBuffer } from "../kernels/device.ts";
import { elementCount } from "../kernels/shape.ts";
import type { FamilyConfig } from "../nn/config.ts";
import { type ParameterSpecification, storedType, type WeightType } from "../nn/parameters.ts";
import {
  findWeights,
  isWeightsFile,
  readWeights,
  type WeightChoice,
} from "../training/checkpoints/checkpoint.ts";
import {
  type Description,
  type Manifest,
  readManifestOf,
} from "../training/checkpoints/manifest.ts";
import type { CommonSettings } from "../training/checkpoints/settings.ts";
import { orNewestWhole } from "../training/checkpoints/whole_checkpoint.ts";
import { resolveCheckpoint } from "../training/runs/run_folder.ts";
import type { TrainedFamily } from "./family.ts";
import { withOwnAutoencoder } from "./own_autoencoder.ts";

/** Where weights are and what they are weights of. */
export interface TrainedSource<Config extends FamilyConfig, Settings extends CommonSettings> {
  /** Size and shape. */
  readonly config: Config;
  /** The file of weights. */
  readonly path: string;
  /** Says that the weights are not those that were asked for. */
  readonly note?: string;
  /** Everything else that a checkpoint says; absent for a file of weights. */
  readonly manifest?: Manifest<Description<Config, Settings>>;
}

/**
 * Finds the weights of a run, a checkpoint or a file.
 *
 * @param given configuration for a file of weights, which has none
 * @throws InputError when there is nothing to load, or a model of another family
 */
export async function findTrained<Config extends FamilyConfig, Settings extends CommonSettings>(
  family: TrainedFamily<Config, Settings>,
  path: string,
  choice: WeightChoice,
  given: Config | undefined,
): Promise<TrainedSource<Config, Settings>> {
  if (await isWeightsFile(path)) {
    if (given) return { config: given, path };
    const [example] = family.configs.keys();
    throw new InputError(
      `${path}: a file of weights does not say which model it is of; give --config, ` +
        `such as ${example}`,
    );
  }
  const folder = await resolveCheckpoint(path);
  const manifest = await orNewestWhole(folder, readManifestOf(family, folder));
  if (given) throw new InputError(`${path}: a checkpoint has its own configuration, no --config`);
  const found = await findWeights(folder, choice);
  return { ...found, config: manifest.config, manifest: withOwnAutoencoder(folder, manifest) };
}

/**
 * Allocates the parameters of a model and reads them.
 *
 * @param path of the file of weights
 * @param weights how they are stored on the device
 * @throws InputError when a parameter is missing, unknown, of another shape, or too large for `f16`
 */
export async function loadParameters(
  device: Device,
  specifications: readonly ParameterSpecification[],
  path: string,
  weights: WeightType = "f32",
): Promise<ReadonlyMap<string, DeviceBuffer>> {
  const buffers = new Map(
    specifications.map((specification) => {
      const { name, shape } = specification;
      const dtype = storedType(specification, weights);
      return [name, device.createBuffer(name, dtype, elementCount(shape))];
    }),
  );
  await readWeights(path, specifications, buffers);
  return buffers;
}
