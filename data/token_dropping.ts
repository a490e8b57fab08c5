/**
 * Which share of a picture's tokens is dropped in training. (NaViT, sections 2.2 and 3.3)
 *
 * @module
 */

/** How the rate d of a picture, the share of its tokens that is dropped, is chosen. */
export type TokenDropping =
  /** Nothing is dropped. */
  | { readonly kind: "none" }
  /** One rate for all. */
  | { readonly kind: "constant"; readonly rate: number }
  /** `maximum` times a Beta variable, drawn for every picture. */
  | { readonly kind: "beta"; readonly mean: number; readonly maximum: number }
  /**
   * Normal with deviation 0.02, cut off at two deviations, around a mean that goes linearly from
   * `minimum` at `fewest` tokens to `maximum` at `most` tokens of the whole picture.
   */
  | {
    readonly kind: "resolution";
    readonly minimum: number;
    readonly maximum: number;
    readonly fewest: number;
    readonly most: number;
  }
  /**
   * A sigmoid of the number n of pictures seen:
   * `minimum + (maximum - minimum) sigmoid((n - middle) / width)`; a negative `width` falls.
   */
  | {
    readonly kind: "scheduled";
    readonly minimum: number;
    readonly maximum: number;
    readonly middle: number;
    readonly width: number;
  };
