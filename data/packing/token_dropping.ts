/**
 * Which share of a picture's tokens is dropped in training. (NaViT, sections 2.2 and 3.3)
 *
 * @module
 */

import { InputError } from "../../base/errors.ts";
import { dataStreams, Draws } from "../order/draws.ts";

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

/** The highest rate: beyond it a whole picture could hide behind one token. */
const highestRate = 0.99;

/** Variance of the Beta variable as a share of mean (1 - mean), the most that it could be. */
const betaSpread = 0.3;

/** Deviation around the mean of resolution-dependent rates, which are cut off at two of them. */
const deviation = 0.02;

/**
 * Checks the numbers of a way of dropping tokens.
 *
 * @throws {InputError} when a rate is not within 0 .. 0.99, or numbers contradict each other
 */
export function checkDropping(dropping: TokenDropping): void {
  const checkRate = (what: string, rate: number) => {
    if (!(rate >= 0 && rate <= highestRate)) {
      throw new InputError(`${what} ${rate} of token dropping is not within 0 .. ${highestRate}`);
    }
  };
  if (dropping.kind === "none") return;
  if (dropping.kind === "constant") return checkRate("rate", dropping.rate);
  checkRate("maximum", dropping.maximum);
  if (dropping.kind === "beta") {
    const { mean, maximum } = dropping;
    if (mean > 0 && mean < maximum) return;
    throw new InputError(`mean ${mean} of token dropping is not between 0 and ${maximum}`);
  }
  checkRate("minimum", dropping.minimum);
  if (dropping.kind === "resolution" && !(dropping.fewest < dropping.most)) {
    const { fewest, most } = dropping;
    throw new InputError(`token dropping from ${fewest} tokens to ${most}: no range`);
  }
  if (dropping.kind === "scheduled") {
    const { middle, width } = dropping;
    if (Number.isFinite(middle) && Math.abs(width) > 0) return;
    throw new InputError(`token dropping around picture ${middle}, width ${width}: no schedule`);
  }
}

/**
 * The share of a picture's tokens that is dropped.
 *
 * @param tokens tokens of the whole picture
 * @param seed a whole number from 0 to 2^53 - 1
 * @param position position in the endless stream of training pictures, which is also the number of
 * pictures seen before
 * @returns 0 .. 0.99
 */
export function dropRate(
  dropping: TokenDropping,
  tokens: number,
  seed: number,
  position: number,
): number {
  const draws = () => new Draws(seed, dataStreams.dropping, position);
  switch (dropping.kind) {
    case "none":
      return 0;
    case "constant":
      return dropping.rate;
    case "beta": {
      const { mean, maximum } = dropping;
      // A variable with mean m and variance 0.3 m (1 - m): a + b = 1 / 0.3 - 1, a = (a + b) m.
      const both = 1 / betaSpread - 1;
      const scaled = mean / maximum;
      return maximum * draws().beta(both * scaled, both * (1 - scaled));
    }
    case "resolution": {
      const { minimum, maximum, fewest, most } = dropping;
      const share = Math.min(Math.max((tokens - fewest) / (most - fewest), 0), 1);
      const mean = minimum + share * (maximum - minimum);
      const reach = 2 * deviation;
      const rate = draws().truncatedNormal(mean, deviation, mean - reach, mean + reach);
      return Math.min(Math.max(rate, 0), highestRate);
    }
    case "scheduled": {
      const { minimum, maximum, middle, width } = dropping;
      const risen = 1 / (1 + Math.exp((middle - position) / width));
      return minimum + (maximum - minimum) * risen;
    }
  }
}

/** The highest rate that a way of dropping tokens comes to. */
export function highestDropRate(dropping: TokenDropping): number {
  switch (dropping.kind) {
    case "none":
      return 0;
    case "constant":
      return dropping.rate;
    case "beta":
      return dropping.maximum;
    case "resolution":
      return Math.min(Math.max(dropping.minimum, dropping.maximum) + 2 * deviation, highestRate);
    case "scheduled":
      return Math.max(dropping.minimum, dropping.maximum);
  }
}

/** How many of a picture's tokens are kept at a rate: at least one. */
export function keptCount(tokens: number, rate: number): number {
  return Math.max(1, Math.round(tokens * (1 - rate)));
}

/** The most tokens a picture may have so that at most `kept` are kept at a rate. */
export function mostTokens(kept: number, rate: number): number {
  let tokens = Math.ceil((kept + 0.5) / (1 - rate));
  while (keptCount(tokens, rate) > kept) tokens--;
  return tokens;
}

/**
 * Which tokens of a picture are kept: every choice is equally likely, all of them in order when none
 * is dropped.
 *
 * Goes through the tokens once and keeps each with probability (still wanted) / (still to come)
 * (Knuth, The Art of Computer Programming 2, algorithm 3.4.2 S).
 *
 * @param tokens tokens of the whole picture
 * @param kept how many are kept, 1 .. tokens
 * @param seed a whole number from 0 to 2^53 - 1
 * @param position position in the endless stream of training pictures
 * @returns their numbers, row-major in the whole grid, ascending
 */
export function keptTokens(
  tokens: number,
  kept: number,
  seed: number,
  position: number,
): Int32Array {
  if (kept === tokens) return Int32Array.from({ length: tokens }, (_, token) => token);
  const draws = new Draws(seed, dataStreams.keptTokens, position);
  const chosen = new Int32Array(kept);
  for (let token = 0, count = 0; count < kept; token++) {
    if (draws.uniform() * (tokens - token) < kept - count) chosen[count++] = token;
  }
  return chosen;
}
