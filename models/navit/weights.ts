/**
 * A trained NaViT opened for evaluation: weights on a device and everything the checkpoint says.
 *
 * @module
 */
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { elementCount } from "../../kernels/shape.ts";
import { type NaViTConfig, navitParameters } from "./model.ts";
import {
  findWeights,
  readWeights,
  type WeightChoice,
} from "../../training/checkpoints/checkpoint.ts";
import { navitFamily } from "./family.ts";
import type { NaViTRun } from "./settings.ts";
import { type Manifest, readManifestOf } from "../../training/checkpoints/manifest.ts";
import { orNewestWhole } from "../../training/checkpoints/whole_checkpoint.ts";
import { resolveCheckpoint } from "../../training/runs/run_folder.ts";

/** Where weights are and what they are weights of. */
export interface NaViTSource {
  /** The checkpoint folder. */
  readonly checkpoint: string;
  /** A safetensors file in it. */
  readonly path: string;
  /** Says that the weights are not those that were asked for. */
  readonly note?: string;
  /** Everything else the checkpoint says. */
  readonly manifest: Manifest<NaViTRun>;
}

/**
 * Finds the weights of a run folder or a checkpoint folder.
 *
 * @throws InputError when there is nothing to load, or a model of another family
 */
export async function findNaViT(path: string, choice: WeightChoice): Promise<NaViTSource> {
  const checkpoint = await resolveCheckpoint(path);
  const manifest = await orNewestWhole(checkpoint, readManifestOf(navitFamily, checkpoint));
  return { checkpoint, ...await findWeights(checkpoint, choice), manifest };
}

/**
 * Allocates the parameters of a model and reads them.
 *
 * @throws InputError when a parameter is missing, unknown or of another shape
 */
export async function loadNaViT(
  device: Device,
  config: NaViTConfig,
  path: string,
): Promise<ReadonlyMap<string, DeviceBuffer>> {
  const specifications = navitParameters(config);
  const buffers = new Map(
    specifications.map(({ name, shape }) => [
      name,
      device.createBuffer(name, "f32", elementCount(shape)),
    ]),
  );
  await readWeights(path, specifications, buffers);
  return buffers;
}
