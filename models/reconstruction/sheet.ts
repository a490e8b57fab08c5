/**
 * Sheets of originals and what a codec makes of them: clips, each above its reconstruction, or a row of
 * pictures above a row of theirs.
 *
 * @module
 */
import { frameOf, toClips } from "../../formats/video/clip.ts";
import { type ClipSize, positions } from "../codec.ts";

/** Most frames of a clip that are shown. */
const mostFrames = 9;

/** What stands on a sheet besides the frames. */
export interface SheetWords {
  readonly title: string;
  readonly subtitle?: string;
  /** One for each sample, for its reconstruction; "reconstruction" unless told. */
  readonly names?: readonly string[];
}

/**
 * Draws originals above their reconstructions, as a PNG file.
 *
 * @param originals (N, channels, frames, H, W) in [-1, 1]; values beyond are clamped
 */
export async function reconstructionSheet(
  originals: Float32Array,
  reconstructions: Float32Array,
  { channels, frames, height, width }: ClipSize & { readonly channels: number },
  { names, ...headings }: SheetWords,
): Promise<Uint8Array> {
  const { pictureGrid } = await import("../../formats/pictures/picture_grid.ts");
  const { spreadFrames } = await import("../../formats/video/clip_sheet.ts");
  const count = originals.length / (channels * positions({ frames, height, width }));
  const [before, after] = [originals, reconstructions].map((values) =>
    toClips(values, [count, channels, frames, height, width], 1)
  );
  if (frames === 1) {
    const pictures = [...before, ...after].map((picture) => frameOf(picture, 0));
    const rowLabels = ["pictures", "reconstructions"];
    const columnLabels = names && [...names];
    return await pictureGrid(pictures, { ...headings, columns: count, rowLabels, columnLabels });
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
