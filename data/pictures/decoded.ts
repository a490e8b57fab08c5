/**
 * Decoded pictures that are kept in memory.
 *
 * @module
 */

import type { Picture } from "./picture.ts";
import type { PictureSet } from "../picture_set.ts";

/**
 * The pictures that were decoded first, until a budget is spent. Nothing is replaced: where every
 * picture is seen once an epoch, the one replaced would be the next one needed.
 */
export class DecodedPictures {
  readonly #pictures = new Map<number, Picture | undefined>();

  readonly #set: PictureSet;
  #budget: number;

  /**
   * Starts with none.
   *
   * @param budget bytes that they may take
   */
  constructor(set: PictureSet, budget: number) {
    this.#set = set;
    this.#budget = budget;
  }

  /** A picture's pixels when they are there. */
  get(index: number): Picture | undefined {
    return this.#pictures.get(index);
  }

  /** Whether a picture that is about to be decoded will be kept; takes its part of the budget. */
  reserve(index: number): boolean {
    if (this.#pictures.has(index)) return false;
    const { width, height } = this.#set.size(index);
    const bytes = width * height * this.#set.channels;
    if (bytes > this.#budget) return false;
    this.#budget -= bytes;
    this.#pictures.set(index, undefined);
    return true;
  }

  /** Keeps what was reserved. */
  keep(index: number, picture: Picture): void {
    this.#pictures.set(index, picture);
  }
}
