/**
 * At which resolution a picture is seen: always the same, drawn anew every time, or its own.
 * (NaViT, sections 2.2 and 3.2 "Variable resolution")
 *
 * @module
 */

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
