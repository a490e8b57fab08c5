/**
 * The sheets of an autoencoder's run: pictures above their reconstructions.
 *
 * @module
 */
import { type ImageDataset, pictureLength } from "../../data/dataset.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { makeGraph } from "../../kernels/graph/graph.ts";
import type { Program } from "../../kernels/program.ts";
import { reconstructionSheet } from "../reconstruction_sheet.ts";
import { type ReconstructionSheets, spreadIndices } from "../run_reconstructions.ts";
import { traceAutoencoderKL } from "./graph.ts";
import type { AutoencoderKLConfig } from "./model.ts";
import type { AutoencoderKLRun } from "./settings.ts";

/** Pictures on a sheet. */
const pictures = 10;

/** What makes reconstructions of pictures of a side: through the means of the posteriors. */
export function reconstructionProgram(config: AutoencoderKLConfig, imageSize: number): Program {
  const clip = { frames: 1, height: imageSize, width: imageSize };
  const { out } = traceAutoencoderKL(config, { batch: pictures, clip });
  return compile(makeGraph("reconstructions", { outputs: { reconstructions: out } }));
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
    program: reconstructionProgram(config, imageSize),
    input: "image",
    originals,
    config,
    draw: (reconstructions, title) =>
      reconstructionSheet(originals, reconstructions, size, { title }),
  };
}
