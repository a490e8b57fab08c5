/**
 * Opening the network that `--features` names.
 *
 * @module
 */
import type { FeatureExtractor } from "../../evaluation/features/extractor.ts";
import { openWeights } from "../../formats/weights.ts";
import { InputError } from "../../base/errors.ts";
import type { Device } from "../../kernels/device.ts";
import { InceptionExtractor } from "../../models/inception/extractor.ts";
import { isInception, readInception } from "../../models/inception/weights.ts";
import { NaViTExtractor } from "../../models/navit/evaluation/features.ts";
import { findNaViT } from "../../models/navit/weights.ts";
import { isWeightsFile } from "../../training/checkpoints/checkpoint.ts";
import { UsageError } from "../terminal/errors.ts";

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
  if (!await isWeightsFile(path)) {
    return await NaViTExtractor.create(device, await findNaViT(path, "ema"), batch);
  }
  {
    using file = await openWeights(path);
    if (!isInception(file)) {
      throw new InputError(
        `${path}: no weights of FID's Inception network (Conv2d_1a_3x3.conv.weight is missing); ` +
          "of a NaViT give the run",
      );
    }
  }
  return await InceptionExtractor.create(device, await readInception(path), batch);
}
