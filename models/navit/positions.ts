/**
 * Position embeddings of NaViT (sections 2.1 and 3.4): where a patch lies in its image, for images of any size
 * and shape. All variants of the paper's study, and the two baselines that are not factorized.
 *
 * @module
 */
import { binary, constant, unary } from "../../kernels/expression.ts";
import { gather } from "../../kernels/ops/embedding/op.ts";
import {
  add,
  cosine,
  divide,
  map,
  maximum,
  multiply,
  sine,
  subtract,
  toFloat,
} from "../../kernels/ops/elementwise/op.ts";
import { linear } from "../../kernels/ops/matmul/op.ts";
import { concatenate, reshape } from "../../kernels/ops/movement/op.ts";
import { constantTensor, type Tensor } from "../../kernels/tensor.ts";
import type { Parameters, ParameterSpecification } from "../../nn/parameters.ts";

/** How positions are embedded. */
export interface PositionConfig {
  /**
   * `factorized`: a learned table for columns and one for rows; `sinusoidal`: fixed waves of both;
   * `fourier`: waves of learned directions; `learned-1d` (ViT): a table over the patch's number;
   * `learned-2d` (Pix2struct): a table over (row, column).
   */
  readonly positions: "factorized" | "sinusoidal" | "fourier" | "learned-1d" | "learned-2d";
  /** How the two tables of `factorized` are combined; the others ignore it. */
  readonly combination: "sum" | "product" | "stack";
  /**
   * `absolute`: the patch's column and row; `fractional`: as parts of the numbers of columns and
   * rows; `aspect`: both as parts of the larger of the two.
   */
  readonly coordinates: "absolute" | "fractional" | "aspect";
  /** Entries M of a table along one axis: the longest side, in patches. */
  readonly positionLength: number;
}

/** Where the patches lie: i32 (B, L) each. */
export interface PatchPlaces {
  /** Row of a patch in its image's full grid, before any token was dropped. */
  readonly rows: Tensor;
  /** Its column. */
  readonly columns: Tensor;
  /** Rows of that grid. */
  readonly gridRows: Tensor;
  /** Columns of that grid. */
  readonly gridColumns: Tensor;
}

/** A pair of tensors: of columns (x) and of rows (y). */
interface Axes {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** Embeddings (B, L, d) of the places of patches. */
export function embedPositions(
  config: PositionConfig,
  hidden: number,
  parameters: Parameters,
  places: PatchPlaces,
): Tensor {
  const [batch, length] = places.rows.shape;
  const flat = embedFlat(config, hidden, parameters, {
    rows: reshape(places.rows, [-1]),
    columns: reshape(places.columns, [-1]),
    gridRows: reshape(places.gridRows, [-1]),
    gridColumns: reshape(places.gridColumns, [-1]),
  });
  return reshape(flat, [batch, length, hidden]);
}

function embedFlat(
  config: PositionConfig,
  hidden: number,
  parameters: Parameters,
  places: PatchPlaces,
): Tensor {
  const { rows, columns, gridColumns } = places;
  switch (config.positions) {
    case "factorized":
      return factorized(config, parameters, places);
    case "sinusoidal":
      return sinusoidal(tableCoordinates(config, places), hidden);
    case "fourier":
      return fourier(coordinates(config, places), parameters("frequencies"));
    case "learned-1d":
      return gather(parameters("table"), add(multiply(rows, gridColumns), columns));
    case "learned-2d":
      return gather(parameters("table"), add(multiply(rows, config.positionLength), columns));
  }
}

/** The coordinates of patches as the configuration means them, as numbers. */
function coordinates({ coordinates }: PositionConfig, places: PatchPlaces): Axes {
  const [x, y] = [toFloat(places.columns), toFloat(places.rows)];
  if (coordinates === "absolute") return { x, y };
  const { gridColumns, gridRows } = places;
  const longer = maximum(gridColumns, gridRows);
  const [width, height] = coordinates === "aspect" ? [longer, longer] : [gridColumns, gridRows];
  return { x: divide(x, toFloat(width)), y: divide(y, toFloat(height)) };
}

/** Coordinates in units of table entries: fractions are spread over the whole table. */
function tableCoordinates(config: PositionConfig, places: PatchPlaces): Axes {
  const { x, y } = coordinates(config, places);
  if (config.coordinates === "absolute") return { x, y };
  const last = config.positionLength - 1;
  return { x: multiply(x, last), y: multiply(y, last) };
}

/** phi_x(x) and phi_y(y) from tables of their own, combined. */
function factorized(
  config: PositionConfig,
  parameters: Parameters,
  places: PatchPlaces,
): Tensor {
  const look = config.coordinates === "absolute"
    ? {
      x: gather(parameters("columns"), places.columns),
      y: gather(parameters("rows"), places.rows),
    }
    : interpolated(config, parameters, places);
  switch (config.combination) {
    case "sum":
      return add(look.x, look.y);
    case "product":
      return multiply(look.x, look.y);
    case "stack":
      return concatenate([look.x, look.y], 1);
  }
}

/** Learned embeddings at fractions: linear interpolation between neighbouring entries. */
function interpolated(
  config: PositionConfig,
  parameters: Parameters,
  places: PatchPlaces,
): Axes {
  const { x, y } = tableCoordinates(config, places);
  const last = config.positionLength - 1;
  const between = (table: Tensor, at: Tensor): Tensor => {
    const below = map((c) => unary("toInt", unary("floor", c)), at);
    const above = map(
      (i) => binary("minimum", binary("add", i, constant(1, "i32")), constant(last, "i32")),
      below,
    );
    const share = reshape(subtract(at, toFloat(below)), [-1, 1]);
    return add(
      multiply(gather(table, below), subtract(1, share)),
      multiply(gather(table, above), share),
    );
  };
  return { x: between(parameters("columns"), x), y: between(parameters("rows"), y) };
}

/** `[sin(x w); cos(x w); sin(y w); cos(y w)]` with w_i = 10000^(-i / k), k = d / 4. */
function sinusoidal({ x, y }: Axes, hidden: number): Tensor {
  const quarter = hidden / 4;
  const frequencies = constantTensor(
    Float32Array.from({ length: quarter }, (_, i) => 10000 ** (-i / quarter)),
    [quarter],
  );
  const waves = [x, y].flatMap((coordinate) => {
    const angles = multiply(reshape(coordinate, [-1, 1]), frequencies);
    return [sine(angles), cosine(angles)];
  });
  return concatenate(waves, 1);
}

/** `[sin u; cos u]` with u = W (x, y), W (d / 2, 2) learned. */
function fourier({ x, y }: Axes, frequencies: Tensor): Tensor {
  const point = concatenate([reshape(x, [-1, 1]), reshape(y, [-1, 1])], 1);
  const angles = linear(point, frequencies);
  return concatenate([sine(angles), cosine(angles)], 1);
}

/**
 * The most patches along a side of an image: tables of whole coordinates end somewhere, formulas and
 * fractions do not.
 */
export function longestGridSide(
  { positions, coordinates, positionLength }: PositionConfig,
): number {
  const isFormula = positions === "sinusoidal" || positions === "fourier";
  return isFormula || coordinates !== "absolute" ? Infinity : positionLength;
}

/** Parameters of {@link embedPositions}. */
export function positionParameters(
  { positions, combination, positionLength }: PositionConfig,
  hidden: number,
): ParameterSpecification[] {
  const table = (name: string, rows: number, columns: number): ParameterSpecification => ({
    name,
    shape: [rows, columns],
    initial: { kind: "normal", deviation: 0.02 },
    trainable: true,
  });
  switch (positions) {
    case "factorized": {
      const width = combination === "stack" ? hidden / 2 : hidden;
      return [table("columns", positionLength, width), table("rows", positionLength, width)];
    }
    case "sinusoidal":
      return [];
    case "fourier": {
      const initial = { kind: "normal", deviation: 1 } as const;
      return [{ ...table("frequencies", hidden / 2, 2), initial }];
    }
    case "learned-1d":
    case "learned-2d":
      return [table("table", positionLength ** 2, hidden)];
  }
}
