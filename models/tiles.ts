/**
 * Pictures in overlapping tiles that are blended: for networks whose memory does not hold a whole one.
 *
 * Across an overlap the weight of one tile falls linearly as that of the next one rises, so that what
 * neighbours disagree about, such as the statistics of norms, becomes a slope instead of an edge.
 *
 * @module
 */

/** Sides of a picture or of a tile, in pixels or in positions of a latent. */
export interface Sides {
  /** Rows. */
  readonly height: number;
  /** Columns. */
  readonly width: number;
}

/** Tiles along one axis, all of one length. */
export interface TiledAxis {
  /** Where each begins. */
  readonly starts: readonly number[];
  /** Their length. */
  readonly length: number;
}

/**
 * Divides an axis into as few tiles as cover it, spread evenly.
 *
 * @param size of the axis
 * @param length of a tile; at most the size
 * @param overlap of neighbours at least; below the length
 */
export function tileAxis(size: number, length: number, overlap: number): TiledAxis {
  const count = Math.ceil((size - overlap) / (length - overlap));
  const starts = Array.from(
    { length: count },
    (_, index) => count === 1 ? 0 : Math.floor(index * (size - length) / (count - 1)),
  );
  return { starts, length };
}

/** Positions of the whole axis. */
export const axisSize = ({ starts, length }: TiledAxis): number => starts.at(-1)! + length;

/** The axis when every position becomes `factor` of them. */
export const scaledAxis = ({ starts, length }: TiledAxis, factor: number): TiledAxis => ({
  starts: starts.map((start) => start * factor),
  length: length * factor,
});

/** How much each position of each tile counts; those of all tiles at one place add up to 1. */
export function blendWeights(axis: TiledAxis): Float64Array[] {
  const { starts, length } = axis;
  const weights = starts.map((start, index) => {
    const before = index === 0 ? 0 : starts[index - 1] + length - start;
    const after = index === starts.length - 1 ? 0 : start + length - starts[index + 1];
    return Float64Array.from(
      { length },
      (_, i) => Math.min(1, (i + 0.5) / before, (length - i - 0.5) / after),
    );
  });
  const sums = new Float64Array(axisSize(axis));
  weights.forEach((tile, index) => tile.forEach((w, i) => sums[starts[index] + i] += w));
  return weights.map((tile, index) => tile.map((w, i) => w / sums[starts[index] + i]));
}

/** Planes (N, H, W) put together from tiles. */
export class BlendedPlanes {
  /** Row-major; whole once every tile was added. */
  readonly values: Float32Array<ArrayBuffer>;

  readonly #planes: number;
  readonly #sides: Sides;
  readonly #rows: { readonly axis: TiledAxis; readonly weights: readonly Float64Array[] };
  readonly #columns: { readonly axis: TiledAxis; readonly weights: readonly Float64Array[] };

  /** Zeros. */
  constructor(planes: number, rows: TiledAxis, columns: TiledAxis) {
    this.#planes = planes;
    this.#sides = { height: axisSize(rows), width: axisSize(columns) };
    this.#rows = { axis: rows, weights: blendWeights(rows) };
    this.#columns = { axis: columns, weights: blendWeights(columns) };
    this.values = new Float32Array(planes * this.#sides.height * this.#sides.width);
  }

  /** Adds a tile (N, h, w): that of a row and a column of tiles. */
  add(tile: ArrayLike<number>, row: number, column: number): void {
    const { height, width } = this.#sides;
    const [rows, columns] = [this.#rows, this.#columns];
    const [top, left] = [rows.axis.starts[row], columns.axis.starts[column]];
    let index = 0;
    for (let plane = 0; plane < this.#planes; plane++) {
      for (let y = 0; y < rows.axis.length; y++) {
        const start = (plane * height + top + y) * width + left;
        for (let x = 0; x < columns.axis.length; x++) {
          const weight = rows.weights[row][y] * columns.weights[column][x];
          this.values[start + x] += weight * tile[index++];
        }
      }
    }
  }
}

/** A tile (N, h, w) cut out of planes (N, H, W). */
export function cutTile(
  planes: Float32Array,
  { height, width }: Sides,
  rows: TiledAxis,
  columns: TiledAxis,
  [row, column]: readonly [number, number],
): Float32Array<ArrayBuffer> {
  const count = planes.length / (height * width);
  const tile = new Float32Array(count * rows.length * columns.length);
  for (let line = 0; line < count * rows.length; line++) {
    const plane = Math.floor(line / rows.length);
    const y = rows.starts[row] + line % rows.length;
    const start = (plane * height + y) * width + columns.starts[column];
    tile.set(planes.subarray(start, start + columns.length), line * columns.length);
  }
  return tile;
}
