/**
 * The order in which training sees its pictures, as a pure function of (seed, step).
 *
 * Training reads an endless stream: permutation 0 of the data set, then permutation 1, and so on.
 * Element k of the stream is at position k mod n of permutation floor(k / n); step s takes elements
 * s * batch .. (s + 1) * batch - 1. So a resumed run needs no sampler state, no picture is dropped at
 * the end of an epoch, and a data set smaller than the batch works.
 *
 * @module
 */

import { dataStreams, randomWords } from "./draws.ts";

/**
 * The order of one epoch: a permutation of 0 .. length - 1 (Fisher and Yates), every one equally
 * likely up to 2^-32 times the length.
 */
export function epochOrder(seed: number, epoch: number, length: number): Uint32Array {
  const order = Uint32Array.from({ length }, (_, index) => index);
  let block: readonly number[] = [];
  for (let last = length - 1, drawn = 0; last > 0; last--, drawn++) {
    if (drawn % 4 === 0) block = randomWords(seed, dataStreams.order, epoch, drawn / 4);
    const other = Math.floor(block[drawn % 4] * 2 ** -32 * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/**
 * Whether element `position` of the stream is mirrored: a fair coin that depends on the seed and the
 * position alone, so that a picture may be mirrored in one epoch and not in another.
 */
export function isFlipped(seed: number, position: number): boolean {
  const words = randomWords(seed, dataStreams.flip, Math.floor(position / 4), 0);
  return words[position % 4] >>> 31 === 1;
}

/** Tells which pictures each training step takes. Keeps the order of the latest epoch. */
export class EpochSampler {
  #epoch = -1;
  #order: Uint32Array = new Uint32Array(0);

  readonly #seed: number;
  readonly #length: number;
  readonly #batchSize: number;

  /**
   * Checks its arguments.
   *
   * @param seed a whole number from 0 to 2^53 - 1
   * @param length pictures in the data set, at least 1
   * @param batchSize pictures a step, at least 1
   */
  constructor(
    seed: number,
    length: number,
    batchSize: number,
  ) {
    this.#seed = seed;
    this.#length = length;
    this.#batchSize = batchSize;
    for (const [what, value] of [["length", length], ["batch size", batchSize]] as const) {
      if (!Number.isSafeInteger(value) || value < 1) {
        throw new RangeError(`${what} ${value} is not a whole number from 1 up`);
      }
    }
    randomWords(seed, dataStreams.order, 0, 0); // refuses a wrong seed at once
  }

  /** Position in the stream of a step's first picture. */
  firstPosition(step: number): number {
    return step * this.#batchSize;
  }

  /** The data set index at a position of the stream. */
  at(position: number): number {
    const epoch = Math.floor(position / this.#length);
    if (epoch !== this.#epoch) {
      this.#order = epochOrder(this.#seed, epoch, this.#length);
      this.#epoch = epoch;
    }
    return this.#order[position % this.#length];
  }

  /** Fills `out` (batch size) with the data set indices of a step. */
  fillBatch(step: number, out: Uint32Array): void {
    const first = this.firstPosition(step);
    for (let index = 0; index < this.#batchSize; index++) out[index] = this.at(first + index);
  }
}

/**
 * The data set indices of one step, without keeping anything: see {@link EpochSampler} for loops.
 *
 * @param length pictures in the data set
 */
export function batchIndices(
  seed: number,
  length: number,
  step: number,
  batchSize: number,
): Uint32Array {
  const out = new Uint32Array(batchSize);
  new EpochSampler(seed, length, batchSize).fillBatch(step, out);
  return out;
}
