/**
 * Random numbers that belong to one element of the data: a picture of the endless stream, an epoch.
 * They are a function of (seed, stream, element) alone, so that neither the batch size nor a resumed
 * run changes them.
 *
 * @module
 */

import { normalsFromWords, philox, uniformFromWord } from "../../base/philox.ts";

/** What is drawn. Part of what a seed means: a number is never reused for something else. */
export const dataStreams = {
  order: 0x6f726472,
  flip: 0x666c6970,
  resolution: 0x7265736f,
  dropping: 0x64726f70,
  keptTokens: 0x6b657074,
  syntheticSize: 0x73697a65,
  movingPicture: 0x6d6f7665,
  imageStack: 0x73746163,
} as const;

/**
 * The two key words of a seed.
 *
 * @throws {RangeError} when the seed is not a whole number from 0 to 2^53 - 1
 */
function keyOf(seed: number): [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`seed ${seed} is not a whole number from 0 to 2^53 - 1`);
  }
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/**
 * Words 4 * block .. 4 * block + 3 of an element.
 *
 * @param stream one of {@link dataStreams}
 * @param element any whole number below 2^53
 * @throws {RangeError} for a seed that is not a whole number from 0 to 2^53 - 1
 */
export function randomWords(seed: number, stream: number, element: number, block: number) {
  const [key0, key1] = keyOf(seed);
  return philox([block, element >>> 0, Math.floor(element / 2 ** 32), stream], key0, key1);
}

/** The random variables of one element, drawn one after the other. */
export class Draws {
  #drawn = 0;
  #words: readonly number[] = [];
  readonly #seed: number;
  readonly #stream: number;
  readonly #element: number;

  /** Starts at the first word of an element; see {@link randomWords}. */
  constructor(
    seed: number,
    stream: number,
    element: number,
  ) {
    this.#seed = seed;
    this.#stream = stream;
    this.#element = element;
  }

  #word(): number {
    const lane = this.#drawn % 4;
    if (lane === 0) {
      this.#words = randomWords(this.#seed, this.#stream, this.#element, this.#drawn / 4);
    }
    this.#drawn++;
    return this.#words[lane];
  }

  /** Uniform in [0, 1), in steps of 2^-24. */
  uniform(): number {
    return uniformFromWord(this.#word());
  }

  /** Normal with mean 0 and deviation 1. */
  normal(): number {
    return normalsFromWords(this.#word(), this.#word())[0];
  }

  /**
   * Normal around `mean`, drawn again until it lies within `low` .. `high`; a mean inside of them
   * takes three draws on average at most.
   */
  truncatedNormal(mean: number, deviation: number, low: number, high: number): number {
    while (true) {
      const value = mean + deviation * this.normal();
      if (value >= low && value <= high) return value;
    }
  }

  /**
   * Beta with parameters a, b > 0 (Jöhnk, 1964): u^(1/a) / (u^(1/a) + v^(1/b)) for the first uniform
   * pair whose denominator is at most 1; with a + b near 2 about two pairs are tried.
   */
  beta(a: number, b: number): number {
    while (true) {
      const x = (1 - this.uniform()) ** (1 / a);
      const y = (1 - this.uniform()) ** (1 / b);
      if (x + y <= 1) return x / (x + y);
    }
  }
}
