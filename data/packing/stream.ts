/**
 * Making planned batches, some of them ahead: the pixels of their pictures come from worker threads,
 * everything else from the plan.
 *
 * @module
 */

import { type InputError, quote } from "../../base/errors.ts";
import {
  allocateBatch,
  emptySlot,
  fillWeights,
  layOutBatch,
  type PlacedPicture,
} from "./layout.ts";
import { DecodedPictures } from "../pictures/decoded.ts";
import type { PackedArrays, PackedBatch, PackedShape } from "./batch.ts";
import type { PlannedStep } from "./plan.ts";
import { defaultWorkers, PicturePool } from "../pictures/pool.ts";
import type { PictureSet } from "../picture_set.ts";
import type { PictureJob } from "../pictures/picture_tokens.ts";
import { SkipReport } from "../pictures/skip_report.ts";

/** How batches are prepared. None of this changes a bit of them. */
export interface PreparationOptions {
  /** Worker threads, at least 1; half of the cores, at most 4, unless told. */
  readonly workers?: number;
  /** Batches that are ready or in work beside the one in use, at least 1; 2 unless told. */
  readonly ahead?: number;
  /** Bytes of decoded pictures kept in memory; 2 GiB unless told. */
  readonly memoryBudget?: number;
  /** Hears of damaged pictures; several streams may share one. Standard error unless told. */
  readonly skips?: SkipReport;
}

/** A batch in the making, and the memory it is made in. */
interface Preparation {
  readonly arrays: PackedArrays;
  readonly batch: Promise<PackedBatch | undefined>;
}

/** Batches made from a plan, in order, some of them ahead. */
export class BatchStream {
  /** Seconds spent inside `next`. */
  waitSeconds = 0;
  readonly #pool: PicturePool;
  readonly #decoded: DecodedPictures;
  /** Why pictures cannot be decoded, by index. */
  readonly #damaged = new Map<number, string>();
  /** Pictures of each class that are not known to be damaged. */
  readonly #intact: Uint32Array;
  readonly #skips: SkipReport;
  readonly #preparations: Preparation[] = [];
  #inUse: PackedArrays | undefined;
  readonly #set: PictureSet;
  readonly #shape: PackedShape;
  readonly #seed: number;
  readonly #plan: Iterator<PlannedStep, void>;

  /**
   * Starts workers and the first batches.
   *
   * @param seed what the choice of kept tokens depends on
   * @param plan the batches in order
   * @throws {RangeError} when numbers of workers or batches ahead are not whole numbers from 1 up
   */
  constructor(
    set: PictureSet,
    shape: PackedShape,
    seed: number,
    plan: Iterator<PlannedStep, void>,
    options: PreparationOptions,
  ) {
    this.#set = set;
    this.#shape = shape;
    this.#seed = seed;
    this.#plan = plan;
    const { workers = defaultWorkers(), ahead = 2, memoryBudget = 2 ** 31 } = options;
    if (!(Number.isSafeInteger(ahead) && ahead >= 1)) {
      throw new RangeError(`${ahead} batches ahead: give a whole number from 1 up`);
    }
    this.#skips = options.skips ?? new SkipReport(set.name, console.warn);
    this.#intact = new Uint32Array(set.classNames.length);
    for (let index = 0; index < set.length; index++) this.#intact[set.label(index)]++;
    this.#decoded = new DecodedPictures(set, memoryBudget);
    this.#pool = new PicturePool(workers);
    for (let index = 0; index <= ahead; index++) this.#start(allocateBatch(shape, set.channels));
  }

  /** The next batch; undefined after the last. What the one before was made in is used again. */
  async next(): Promise<PackedBatch | undefined> {
    const start = performance.now();
    if (this.#inUse) this.#start(this.#inUse);
    const { arrays, batch } = this.#preparations.shift()!;
    this.#inUse = arrays;
    try {
      return await batch;
    } finally {
      this.waitSeconds += (performance.now() - start) / 1000;
    }
  }

  /** Ends the workers. */
  close(): void {
    this.#pool.close();
  }

  /** Starts to make the batch after those in the making; a failure is kept for its `next`. */
  #start(arrays: PackedArrays): void {
    const batch = this.#prepare(arrays);
    batch.catch(() => {});
    this.#preparations.push({ arrays, batch });
  }

  async #prepare(arrays: PackedArrays): Promise<PackedBatch | undefined> {
    const planned = this.#plan.next();
    if (planned.done) return undefined;
    const { step, next, sequences } = planned.value;
    const placed = layOutBatch(planned.value, this.#shape, arrays);
    const isReadable = await Promise.all(placed.map((place) => this.#write(place, arrays)));
    const unreadable = placed.filter((_, number) => !isReadable[number]);
    unreadable.forEach(({ slot }) => emptySlot(arrays, slot));
    const images = placed.length - unreadable.length;
    fillWeights(arrays, images);
    const counts = {
      images,
      tokens: sequences.reduce((sum, { tokens }) => sum + tokens, 0),
      shrunk: placed.filter(({ picture }) => picture.isShrunk).length,
      unreadable: unreadable.length,
      closedByImages: sequences.filter(({ isClosedByImages }) => isClosedByImages).length,
    };
    const damage = unreadable.length > 0
      ? this.#damaged.get(unreadable[0].picture.index)
      : undefined;
    return { ...arrays, step, next, counts, damage };
  }

  #setDamaged(index: number, reason: string): void {
    if (this.#damaged.has(index)) return; // it may be in a batch twice
    this.#damaged.set(index, reason);
    const label = this.#set.label(index);
    if (--this.#intact[label] > 0) return;
    const name = quote(this.#set.classNames[label]);
    this.#skips.say(
      `warning: ${this.#set.name}: no picture of class ${name} can be decoded any more`,
    );
  }

  /** Writes a picture's tokens; false when it is damaged. */
  async #write(
    { picture, firstToken }: PlacedPicture,
    arrays: PackedArrays,
  ): Promise<boolean> {
    const { index, grid, tokens, position, isMirrored } = picture;
    if (this.#damaged.has(index)) return false;
    const { patches, rows, columns } = arrays;
    const source = this.#decoded.get(index) ?? this.#set.source(index);
    const job: PictureJob = {
      source,
      size: this.#set.size(index),
      channels: this.#set.channels,
      patch: this.#shape.patch,
      grid,
      kept: { count: tokens, seed: this.#seed, position },
      isMirrored,
      arrays: { patches, rows, columns },
      firstToken,
    };
    try {
      const isKept = typeof source === "string" && this.#decoded.reserve(index);
      const decoded = await this.#pool.run(job, isKept);
      if (decoded) this.#decoded.keep(index, decoded);
      return true;
    } catch (error) {
      this.#skips.add(`${this.#set.name} ${this.#set.pictureName(index)}`, error);
      this.#setDamaged(index, (error as InputError).message);
      return false;
    }
  }
}
