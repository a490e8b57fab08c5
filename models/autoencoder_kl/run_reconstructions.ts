/**
 * The sheets of an autoencoder's run: pictures above their reconstructions.
 *
 * @module
 */
import { type ImageDataset, pictureLength } from "../../data/dataset.ts";
import { toBitmaps } from "../../formats/pictures/bitmap.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { makeGraph } from "../../kernels/graph/graph.ts";
import type { Program } from "../../kernels/program.ts";
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
  return {
    program: reconstructionProgram(config, imageSize),
    input: "image",
    originals,
    config,
    async draw(reconstructions, title) {
      const bitmaps = [originals, reconstructions].flatMap((values) =>
        toBitmaps(values, [pictures, config.channels, imageSize, imageSize])
      );
      const { pictureGrid } = await import("../../formats/pictures/picture_grid.ts");
      const rowLabels = ["pictures", "reconstructions"];
      return await pictureGrid(bitmaps, { title, columns: pictures, rowLabels });
    },
  };
}
