/**
 * The sheets of an autoencoder's run: pictures above their reconstructions.
 *
 * @module
 */
import { type ImageDataset, pictureLength } from "../../data/dataset.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { makeGraph } from "../../kernels/graph/graph.ts";
import { reconstructionSheet } from "../reconstruction/sheet.ts";
import {
  type ReconstructionProgram,
  type ReconstructionSheets,
  spreadIndices,
} from "../reconstruction/run.ts";
import { traceAutoencoderKL } from "./graph.ts";
import type { AutoencoderKLConfig } from "./model.ts";
import type { AutoencoderKLRun } from "./settings.ts";

/** Pictures on a sheet. */
const pictures = 10;

/** What makes reconstructions of pictures of a side: through the means of the posteriors. */
export function autoencoderReconstructions(
  config: AutoencoderKLConfig,
  imageSize: number,
): ReconstructionProgram {
  const clip = { frames: 1, height: imageSize, width: imageSize };
  const { out } = traceAutoencoderKL(config, { batch: pictures, clip });
  const program = compile(makeGraph("reconstructions", { outputs: { reconstructions: out } }));
  return { program, input: "image", batch: pictures };
}

/** What the sheets of a run on pictures show. */
export async function reconstructionSheets(
  { config, run: { imageSize } }: AutoencoderKLRun,
  dataset: ImageDataset,
): Promise<ReconstructionSheets> {
  const originals = new Float32Array(pictures * pictureLength(dataset));
  await dataset.read(spreadIndices(dataset.length, pictures), originals);
  const size = { channels: config.channels, frames: 1, height: imageSize, width: imageSize };
  return {
    ...autoencoderReconstructions(config, imageSize),
    originals,
    config,
    draw: (reconstructions, title) =>
      reconstructionSheet(originals, reconstructions, size, { title }),
  };
}
