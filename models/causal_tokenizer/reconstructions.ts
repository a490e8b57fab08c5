/**
 * Sheets of originals and what a tokenizer makes of them: clips, each above its reconstruction, or a row
 * of pictures above a row of theirs.
 *
 * @module
 */
import { pictureLength } from "../../data/dataset.ts";
import { frameOf, toClips } from "../../formats/video/clip.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { makeGraph } from "../../kernels/graph/graph.ts";
import type { Program } from "../../kernels/program.ts";
import { type ClipSize, positions } from "../codec.ts";
import { type ReconstructionSheets, spreadIndices } from "../run_reconstructions.ts";
import { traceCausalTokenizer } from "./graph.ts";
import { type CausalTokenizerConfig, colours } from "./model.ts";
import { clipOf, type TokenizerData } from "./data.ts";
import type { TokenizerRun } from "./settings.ts";

/** Most frames of a clip that are shown. */
const mostFrames = 9;

/** Clips or pictures on the sheet of a run. */
const shownOf = ({ frames }: ClipSize): number => frames === 1 ? 10 : 3;

/** What makes reconstructions of the samples on a sheet. */
export function tokenizerReconstructionProgram(
  config: CausalTokenizerConfig,
  clip: ClipSize,
): Program {
  const { out } = traceCausalTokenizer(config, { batch: shownOf(clip), clip });
  return compile(makeGraph("reconstructions", { outputs: { reconstructions: out } }));
}

/** What stands on a sheet besides the frames. */
export interface SheetWords {
  readonly title: string;
  readonly subtitle?: string;
  /** One for each clip, for the row of its reconstruction; "reconstruction" unless told. */
  readonly names?: readonly string[];
}

/**
 * Draws originals above their reconstructions, as a PNG file.
 *
 * @param originals (N, 3, frames, H, W) in [-1, 1]; values beyond are clamped
 */
export async function reconstructionSheet(
  originals: Float32Array,
  reconstructions: Float32Array,
  clip: ClipSize,
  { names, ...headings }: SheetWords,
): Promise<Uint8Array> {
  const { pictureGrid } = await import("../../formats/pictures/picture_grid.ts");
  const { spreadFrames } = await import("../../formats/video/clip_sheet.ts");
  const count = originals.length / (colours * positions(clip));
  const { frames, height, width } = clip;
  const [before, after] = [originals, reconstructions].map((values) =>
    toClips(values, [count, colours, frames, height, width], 1)
  );
  if (frames === 1) {
    const pictures = [...before, ...after].map((picture) => frameOf(picture, 0));
    const rowLabels = ["pictures", "reconstructions"];
    return await pictureGrid(pictures, { ...headings, columns: count, rowLabels });
  }
  const shown = spreadFrames(frames, mostFrames);
  const rows = before.map((original, index) =>
    [original, after[index]].flatMap((clip) => shown.map((frame) => frameOf(clip, frame)))
  );
  return await pictureGrid(rows.flat(), {
    ...headings,
    columns: shown.length,
    columnLabels: shown.map(String),
    rowLabels: rows.flatMap((_, index) => ["original", names?.[index] ?? "reconstruction"]),
  });
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
    program: tokenizerReconstructionProgram(config, clip),
    input: "video",
    originals,
    config,
    draw: (reconstructions, title) =>
      reconstructionSheet(originals, reconstructions, clip, { title }),
  };
}
