/**
 * At which resolution a picture is seen: always the same, drawn anew every time, or its own.
 * (NaViT, sections 2.2 and 3.2 "Variable resolution")
 *
 * @module
 */

import { InputError } from "../../base/errors.ts";
import { dataStreams, Draws } from "../order/draws.ts";
import { effectiveSide, type PictureSize } from "./patch_grid.ts";

/** A distribution over [-1, 1]. */
export type UnitDistribution =
  /** Every value is equally likely. */
  | { readonly kind: "uniform" }
  /** A normal distribution with deviation 1, cut off at -1 and 1. */
  | { readonly kind: "normal"; readonly mean: number };

/** The effective resolution R of pictures: the side, in pixels, of the square of the same area. */
export type Resolution =
  /** One for all. */
  | { readonly kind: "fixed"; readonly side: number }
  /** Drawn from `distribution`, mapped linearly from [-1, 1] to R or to R^2, for every picture. */
  | {
    readonly kind: "sampled";
    readonly distribution: UnitDistribution;
    readonly over: "side" | "area";
    readonly minimum: number;
    readonly maximum: number;
  }
  /** The picture's own, or `maximum` if that is less. */
  | { readonly kind: "native"; readonly maximum?: number };

/**
 * Checks a resolution's numbers.
 *
 * @throws {InputError} when one is not a number of pixels, the range is reversed, or the mean of a
 * normal distribution lies outside of -1 .. 1
 */
export function checkResolution(resolution: Resolution): void {
  const isSide = (side: number) => Number.isFinite(side) && side > 0;
  const check = (what: string, side: number) => {
    if (!isSide(side)) throw new InputError(`${what} ${side} is not a number of pixels above 0`);
  };
  if (resolution.kind === "fixed") check("resolution", resolution.side);
  if (resolution.kind === "native" && resolution.maximum !== undefined) {
    check("largest resolution", resolution.maximum);
  }
  if (resolution.kind !== "sampled") return;
  const { distribution, minimum, maximum } = resolution;
  check("smallest resolution", minimum);
  check("largest resolution", maximum);
  if (minimum > maximum) {
    throw new InputError(`smallest resolution ${minimum} is above the largest, ${maximum}`);
  }
  if (distribution.kind === "normal" && !(Math.abs(distribution.mean) <= 1)) {
    throw new InputError(`mean ${distribution.mean} of the resolutions is not within -1 .. 1`);
  }
}

/** The smallest resolution in pixels that pictures are scaled to; undefined: their own. */
export function smallestSide(resolution: Resolution): number | undefined {
  if (resolution.kind === "native") return undefined;
  return resolution.kind === "fixed" ? resolution.side : resolution.minimum;
}

function drawUnit(distribution: UnitDistribution, draws: Draws): number {
  if (distribution.kind === "uniform") return 2 * draws.uniform() - 1;
  return draws.truncatedNormal(distribution.mean, 1, -1, 1);
}

/**
 * The effective resolution R of a picture in pixels: the square root of the area that it is scaled to.
 *
 * @param seed a whole number from 0 to 2^53 - 1
 * @param position position of the picture in the endless stream of training pictures
 *
 * @example
 * ```ts
 * import { type Resolution, sideOf } from "./resolution.ts";
 *
 * // What NaViT is trained with: R ~ U(64, 256).
 * const resolution: Resolution = {
 *   kind: "sampled",
 *   distribution: { kind: "uniform" },
 *   over: "side",
 *   minimum: 64,
 *   maximum: 256,
 * };
 * sideOf(resolution, { width: 640, height: 480 }, 0, 17);
 * ```
 */
export function sideOf(
  resolution: Resolution,
  size: PictureSize,
  seed: number,
  position: number,
): number {
  switch (resolution.kind) {
    case "fixed":
      return resolution.side;
    case "native":
      return Math.min(effectiveSide(size), resolution.maximum ?? Infinity);
    case "sampled": {
      const { distribution, over, minimum, maximum } = resolution;
      const draws = new Draws(seed, dataStreams.resolution, position);
      const share = (drawUnit(distribution, draws) + 1) / 2;
      return over === "side"
        ? minimum + share * (maximum - minimum)
        : Math.sqrt(minimum ** 2 + share * (maximum ** 2 - minimum ** 2));
    }
  }
}
