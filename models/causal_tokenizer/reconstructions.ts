/**
 * The sheets of a tokenizer's run: clips or pictures above their reconstructions.
 *
 * @module
 */
import { pictureLength } from "../../data/dataset.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { makeGraph } from "../../kernels/graph/graph.ts";
import type { ClipSize } from "../codec.ts";
import { reconstructionSheet } from "../reconstruction/sheet.ts";
import {
  type ReconstructionProgram,
  type ReconstructionSheets,
  spreadIndices,
} from "../reconstruction/run.ts";
import { traceCausalTokenizer } from "./graph.ts";
import { type CausalTokenizerConfig, colours } from "./model.ts";
import { clipOf, type TokenizerData } from "./data.ts";
import type { TokenizerRun } from "./settings.ts";

/** Clips or pictures on the sheet of a run. */
const shownOf = ({ frames }: ClipSize): number => frames === 1 ? 10 : 3;

/** What makes reconstructions of the samples on a sheet. */
export function tokenizerReconstructions(
  config: CausalTokenizerConfig,
  clip: ClipSize,
): ReconstructionProgram {
  const batch = shownOf(clip);
  const { out } = traceCausalTokenizer(config, { batch, clip });
  const program = compile(makeGraph("reconstructions", { outputs: { reconstructions: out } }));
  return { program, input: "video", batch };
}

/** What the sheets of a run show. */
export async function tokenizerSheets(
  { config }: TokenizerRun,
  data: TokenizerData,
): Promise<ReconstructionSheets> {
  const clip = clipOf(data);
  const originals = new Float32Array(shownOf(clip) * pictureLength(data));
  await data.read(spreadIndices(data.length, shownOf(clip)), originals);
  return {
    ...tokenizerReconstructions(config, clip),
    originals,
    config,
    draw: (reconstructions, title) =>
      reconstructionSheet(originals, reconstructions, { channels: colours, ...clip }, { title }),
  };
}
