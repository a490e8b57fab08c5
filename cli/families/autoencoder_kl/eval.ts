/**
 * `tessera eval vae`: how well an autoencoder brings pictures back.
 *
 * @module
 */
import { openDataset } from "../../../data/open.ts";
import type { Split } from "../../../data/sources/idx.ts";
import {
  posteriorDivergence,
  posteriorMean,
  posteriorStatistics,
} from "../../../models/autoencoder_kl/evaluation.ts";
import { checkPictures } from "../../../models/autoencoder_kl/run.ts";
import type { AutoencoderKLWeights } from "../../../models/autoencoder_kl/source.ts";
import { opened, placeOf } from "../../runs/prepare.ts";
import {
  type EvaluatedData,
  openEvaluated,
  runReconstructions,
} from "../../runs/reconstructions.ts";
import type { Io } from "../../terminal/io.ts";
import { recordedData } from "../recorded_data.ts";
import type { EvalVaeOptions } from "./eval_flags.ts";
import { autoencoderOf, openCoder } from "./source.ts";
import { shippedPictures } from "./train.ts";

/** Pictures at a time: as many as `encode` takes. */
const batch = 8;

/** Evaluates an autoencoder. */
export async function runEvalVae(io: Io, values: EvalVaeOptions): Promise<void> {
  const weights = await autoencoderOf(values);
  const evaluated = await openEvaluated(
    values.split,
    (split) => openRunPictures(io, values, weights, split),
  );
  const { path, config: { latentChannels } } = weights;
  await runReconstructions(io, values, evaluated, {
    path,
    open: (device, half) =>
      openCoder(device, weights, evaluated.data, { half, batch, tile: values.tile }),
    decoded: posteriorMean,
    measure: (moments) => ({
      channels: posteriorStatistics(moments, latentChannels),
      more: [{
        measure: "kl divergence, picture",
        unit: "nats",
        values: moments.map(posteriorDivergence),
      }],
    }),
    note: ", as samples of the posteriors are; pictures come back from the means of theirs",
  });
}

/** Opens the pictures of the run, or others. */
async function openRunPictures(
  io: Io,
  { dataPath, imageSize, quiet }: EvalVaeOptions,
  { config, manifest }: AutoencoderKLWeights,
  split: Split,
): Promise<Omit<EvaluatedData, "split">> {
  const { channels } = config;
  const place = placeOf({ shipped: shippedPictures }, dataPath ?? manifest?.dataPath);
  const side = imageSize ?? manifest?.run.imageSize;
  const opening = opened(
    io,
    quiet,
    (events) => openDataset(place, { imageSize: side, channels, split, ...events }),
  );
  const data = await recordedData(dataPath, opening);
  checkPictures(config, data);
  return { data, crop: "center" };
}
