/**
 * How many rows and columns of patches a picture is cut into: by its effective resolution, by a
 * budget of tokens, or as a square that ignores its aspect ratio. (NaViT, sections 2.1 and 3.2)
 *
 * @module
 */

/** Width and height of a picture in pixels. */
export interface PictureSize {
  /** Columns. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
}

/** A picture's patches: `rows` x `columns` of them, both at least 1. */
export interface PatchGrid {
  /** Patches from top to bottom. */
  readonly rows: number;
  /** Patches from left to right. */
  readonly columns: number;
}

/** Patches, and so tokens before dropping, of a grid. */
export function gridTokens({ rows, columns }: PatchGrid): number {
  return rows * columns;
}

/** Side of the square with the area of a picture, in pixels: its effective resolution. */
export function effectiveSide({ width, height }: PictureSize): number {
  return Math.sqrt(width * height);
}

/**
 * The grid at an effective resolution: the picture is scaled to the area of a square of `side` pixels
 * and both sides are rounded to the nearest whole number of patches, at least one.
 *
 * @param side effective resolution R in pixels
 * @param patch side of a patch in pixels
 *
 * @example
 * ```ts
 * import { gridAtSide } from "./patch_grid.ts";
 *
 * gridAtSide({ width: 400, height: 100 }, 128, 16); // 4 rows, 16 columns: 256 x 64 pixels
 * ```
 */
export function gridAtSide(size: PictureSize, side: number, patch: number): PatchGrid {
  const scale = side / effectiveSide(size) / patch;
  return {
    rows: Math.max(1, Math.round(size.height * scale)),
    columns: Math.max(1, Math.round(size.width * scale)),
  };
}

/** A picture squashed to a square, whatever its aspect ratio was. */
export const square: PictureSize = { width: 1, height: 1 };

/**
 * The largest grid of at most `tokens` patches that {@link gridAtSide} gives for any resolution: the
 * aspect ratio is kept as well as whole patches can. It may be larger than the picture, which is then
 * scaled up.
 *
 * @param tokens at least 1
 * @param longest most patches along a side, at least 1; no limit unless told
 */
export function largestGrid(
  { width, height }: PictureSize,
  tokens: number,
  longest = Infinity,
): PatchGrid {
  let grid: PatchGrid = { rows: 1, columns: 1 };
  while (true) {
    // The scales at which the picture gets one more row, one more column, times width x height.
    const nextRow = (grid.rows + 0.5) * width;
    const nextColumn = (grid.columns + 0.5) * height;
    const larger = {
      rows: grid.rows + Number(nextRow <= nextColumn),
      columns: grid.columns + Number(nextColumn <= nextRow),
    };
    if (!isWithin(larger, tokens, longest)) return grid;
    grid = larger;
  }
}

/** Whether a grid has at most `tokens` patches, and at most `longest` along each side. */
function isWithin(grid: PatchGrid, tokens: number, longest: number): boolean {
  return gridTokens(grid) <= tokens && Math.max(grid.rows, grid.columns) <= longest;
}

/**
 * The grid that was asked for, or the picture's largest one within limits where those are narrower.
 * The aspect ratio is kept then, too: it is only lost where the shorter side is down to one patch.
 *
 * @param asked what {@link gridAtSide} gives for the picture
 * @param tokens most patches, at least 1
 * @param longest most patches along a side, at least 1
 *
 * @example
 * ```ts
 * import { gridAtSide, limitedGrid } from "./patch_grid.ts";
 *
 * const size = { width: 400, height: 100 };
 * limitedGrid(size, gridAtSide(size, 128, 16), 256, 8); // 2 rows, 8 columns instead of 4 and 16
 * ```
 */
export function limitedGrid(
  size: PictureSize,
  asked: PatchGrid,
  tokens: number,
  longest: number,
): PatchGrid {
  return isWithin(asked, tokens, longest) ? asked : largestGrid(size, tokens, longest);
}
