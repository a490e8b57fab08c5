/**
 * What every step of a run gets, decided from sizes and random draws alone: which pictures, at which
 * grids, how many of their tokens, in which sequences. Nothing is decoded here.
 *
 * Pictures come from the endless stream of `sampler.ts`. A group of G sequences is filled by
 * first-fit; the first picture that fits nowhere starts the next group. With B sequences a step, a
 * group serves S = G / B steps, and step k of them takes the sequences k, k + S, k + 2 S, ...: since
 * the first sequences of a group are the fullest, that makes its steps alike. So a group is a function
 * of the position of its first picture, and does not depend on B.
 *
 * @module
 */

import { checkShape, type PackedShape, type PackingPosition } from "./batch.ts";
import {
  gridAtSide,
  gridTokens,
  largestGrid,
  limitedGrid,
  type PatchGrid,
  square,
} from "./patch_grid.ts";
import { type Packable, packFirstFit, type Sequence, type SequenceCapacity } from "./packing.ts";
import type { PictureSet } from "../picture_set.ts";
import { checkResolution, type Resolution, sideOf } from "./resolution.ts";
import { EpochSampler, isFlipped } from "../order/sampler.ts";
import { captionTokens } from "./text_tokens.ts";
import {
  checkDropping,
  dropRate,
  highestDropRate,
  keptCount,
  mostTokens,
  type TokenDropping,
} from "./token_dropping.ts";

/** How pictures are chosen, sized and thinned out for training. */
export interface PackingOptions extends PackedShape {
  /** Seed of all that is drawn, a whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  /** At which resolution pictures are seen. */
  readonly resolution: Resolution;
  /** Whether pictures are squashed to squares instead of keeping their aspect ratio; else false. */
  readonly square?: boolean;
  /** Most patches along a side of a picture, which position tables limit; no limit unless told. */
  readonly longest?: number;
  /** How tokens are dropped; none unless told. */
  readonly dropping?: TokenDropping;
  /** Whether to mirror half of the pictures, left to right; false unless told. */
  readonly flip?: boolean;
  /**
   * Sequences G that are filled at the same time: a multiple of `sequences`. The least one from 64
   * up unless told.
   */
  readonly openSequences?: number;
}

/** A picture as a batch will show it. */
export interface PlannedPicture extends Packable {
  /** Index in the data set. */
  readonly index: number;
  /** Its class. */
  readonly label: number;
  /** Its patches, before any is dropped. */
  readonly grid: PatchGrid;
  /** Number in the stream of pictures, on which the choice of its tokens depends. */
  readonly position: number;
  /** Whether it is mirrored, left to right. */
  readonly isMirrored: boolean;
  /** Whether it was larger than a sequence, or longer than allowed, and became smaller. */
  readonly isShrunk: boolean;
  /** The tokens of its caption, with captions. */
  readonly caption?: Int32Array;
}

/** What a step gets. */
export interface PlannedStep {
  /** The training step. */
  readonly step: number;
  /** The position of the step after it. */
  readonly next: PackingPosition;
  /** Its sequences. */
  readonly sequences: readonly Sequence<PlannedPicture>[];
}

/** Sequences filled at the same time unless told: less than 2 % of the tokens are padding then. */
const fewestOpenSequences = 64;

/** The room of each sequence of a batch. */
export function capacityOf({ sequenceLength, images, text }: PackedShape): SequenceCapacity {
  return { tokens: sequenceLength, images, textTokens: text?.sequenceLength ?? 0 };
}

/**
 * The tokens of a picture's caption; undefined in batches without captions.
 *
 * @throws {RangeError} when the set was opened without captions
 */
export function captionOf(
  set: PictureSet,
  index: number,
  { text }: PackedShape,
): Int32Array | undefined {
  if (!text) return undefined;
  if (!set.caption) throw new RangeError(`${set.name}: was opened without captions`);
  return captionTokens(set.caption(index), text.captionLength);
}

/** The picture at a position of the training stream. */
function trainingPicture(
  set: PictureSet,
  options: PackingOptions,
  index: number,
  position: number,
): PlannedPicture {
  const { seed, patch, dropping = { kind: "none" }, sequenceLength, longest = Infinity } = options;
  const size = set.size(index);
  const shape = options.square ? square : size;
  const asked = gridAtSide(shape, sideOf(options.resolution, size, seed, position), patch);
  const rate = dropRate(dropping, gridTokens(asked), seed, position);
  const grid = limitedGrid(shape, asked, mostTokens(sequenceLength, rate), longest);
  const caption = captionOf(set, index, options);
  return {
    index,
    label: set.label(index),
    grid,
    tokens: keptCount(gridTokens(grid), rate),
    textTokens: caption?.length ?? 0,
    position,
    isMirrored: (options.flip ?? false) && isFlipped(seed, position),
    isShrunk: grid !== asked,
    caption,
  };
}

/**
 * The largest resolution, in whole pixels, at which a square picture fits a sequence, if as many of
 * its tokens are dropped as ever are.
 */
export function largestFittingSide(
  { sequenceLength, patch, dropping = { kind: "none" } }: PackingOptions,
): number {
  const { rows } = largestGrid(square, mostTokens(sequenceLength, highestDropRate(dropping)));
  // Sides are rounded to the nearest patch, and half a patch goes up.
  return Math.ceil((rows + 0.5) * patch) - 1;
}

/** How many sequences are filled at the same time. */
function groupSize({ sequences, openSequences }: PackingOptions): number {
  if (openSequences === undefined) return Math.ceil(fewestOpenSequences / sequences) * sequences;
  if (openSequences >= sequences && openSequences % sequences === 0) return openSequences;
  throw new RangeError(
    `${openSequences} open sequences are not a multiple of the ${sequences} sequences of a batch`,
  );
}

function checkLongest(longest: number | undefined): void {
  if (longest === undefined || longest >= 1) return;
  throw new RangeError(`longest side of ${longest} patches: give a number from 1 up`);
}

function checkPosition({ step, groupStart }: PackingPosition): void {
  for (const number of [step, groupStart]) {
    if (!(Number.isSafeInteger(number) && number >= 0)) {
      throw new RangeError(
        `no position in a stream of batches: step ${step}, picture ${groupStart}`,
      );
    }
  }
}

/**
 * The steps of a training run from a position on, without an end.
 *
 * @throws {RangeError} for sizes, seeds and positions that make no sense
 * @throws {InputError} for resolutions and rates out of range
 */
export function planTraining(
  set: PictureSet,
  options: PackingOptions,
  position: PackingPosition,
): Generator<PlannedStep, never> {
  checkShape(options);
  checkPosition(position);
  checkLongest(options.longest);
  checkResolution(options.resolution);
  if (options.dropping) checkDropping(options.dropping);
  const open = groupSize(options);
  const sampler = new EpochSampler(options.seed, set.length, 1);
  return trainingSteps(set, options, position, sampler, open);
}

function* trainingSteps(
  set: PictureSet,
  options: PackingOptions,
  { step, groupStart }: PackingPosition,
  sampler: EpochSampler,
  open: number,
): Generator<PlannedStep, never> {
  function* picturesFrom(position: number): Generator<PlannedPicture> {
    for (;; position++) yield trainingPicture(set, options, sampler.at(position), position);
  }
  const steps = open / options.sequences;
  while (true) {
    const group = packFirstFit(open, capacityOf(options), picturesFrom(groupStart));
    const nextGroup = groupStart + group.packed;
    for (let part = step % steps; part < steps; part++, step++) {
      const sequences = group.sequences.filter((_, sequence) => sequence % steps === part);
      const next = { step: step + 1, groupStart: part + 1 < steps ? groupStart : nextGroup };
      yield { step, next, sequences };
    }
    groupStart = nextGroup;
  }
}
