/**
 * Opening the network that `--features` names.
 *
 * @module
 */
import type { FeatureExtractor } from "../../evaluation/features/extractor.ts";
import type { TensorReader } from "../../formats/tensors/safetensors.ts";
import { openWeights } from "../../formats/weights.ts";
import type { Clip } from "../../formats/video/clip.ts";
import { InputError } from "../../base/errors.ts";
import type { Device } from "../../kernels/device.ts";
import { InceptionExtractor } from "../../models/inception/extractor.ts";
import { I3DExtractor } from "../../models/i3d/extractor.ts";
import { isI3D, readI3D } from "../../models/i3d/weights.ts";
import { isInception, readInception } from "../../models/inception/weights.ts";
import { NaViTClipExtractor } from "../../models/navit/evaluation/clip_features.ts";
import { NaViTExtractor } from "../../models/navit/evaluation/features.ts";
import { findNaViT } from "../../models/navit/weights.ts";
import { isWeightsFile } from "../../training/checkpoints/checkpoint.ts";
import { UsageError } from "../terminal/errors.ts";

/** The network of `--features` by what is at its path. */
const isNaViT = async (path: string): Promise<boolean> => !await isWeightsFile(path);

/** Refuses a file of weights that is not the network wanted. */
async function requireWeights(
  path: string,
  isWanted: (file: TensorReader) => boolean,
  wanted: string,
): Promise<void> {
  using file = await openWeights(path);
  if (isWanted(file)) return;
  throw new InputError(`${path}: no weights of ${wanted}; of a NaViT give the run`);
}

/**
 * Opens the network: a file of weights is FID's Inception, anything else a run or checkpoint of NaViT.
 *
 * @param path undefined when it was not given
 * @param batch pictures at a time
 */
export async function openExtractor(
  device: Device,
  path: string | undefined,
  batch: number,
): Promise<FeatureExtractor> {
  if (path === undefined) {
    throw new UsageError(
      "--features is needed: a run of train navit on such pictures, or a file of weights of FID's " +
        "Inception network (pt_inception-2015-12-05-6726825d.pth)",
    );
  }
  if (await isNaViT(path)) {
    return await NaViTExtractor.create(device, await findNaViT(path, "ema"), batch);
  }
  await requireWeights(
    path,
    isInception,
    "FID's Inception network (Conv2d_1a_3x3.conv.weight is missing)",
  );
  return await InceptionExtractor.create(device, await readInception(path), batch);
}

/**
 * Opens a network for clips: a file of weights is FVD's I3D, anything else a NaViT, which looks at frames.
 *
 * @param size clips at a time, and frames of each
 */
export async function openClipExtractor(
  device: Device,
  path: string,
  size: { readonly batch: number; readonly frames: number },
): Promise<FeatureExtractor<Clip>> {
  if (await isNaViT(path)) {
    const source = await findNaViT(path, "ema");
    return new NaViTClipExtractor(await NaViTExtractor.create(device, source, size.batch));
  }
  await requireWeights(path, isI3D, "FVD's I3D (Conv3d_1a_7x7.conv3d.weight is missing)");
  return await I3DExtractor.create(device, await readI3D(path), size);
}
