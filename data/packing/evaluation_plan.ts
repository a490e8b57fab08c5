/**
 * Which pictures every batch of an evaluation gets.
 *
 * @module
 */

import { checkShape, type PackedShape } from "./batch.ts";
import { packFirstFit } from "./packing.ts";
import { capacityOf, captionOf, type PlannedPicture, type PlannedStep } from "./plan.ts";
import { gridTokens, type PatchGrid } from "./patch_grid.ts";
import type { PictureSet } from "../picture_set.ts";

/** A picture to evaluate. */
export interface EvaluationPicture {
  /** Index in the data set. */
  readonly index: number;
  /** Its patches. */
  readonly grid: PatchGrid;
}

/**
 * The batches of an evaluation: the pictures in order, none of their tokens dropped, the last batch
 * not full.
 *
 * @throws {RangeError} for a picture larger than a sequence, or sizes that make no sense
 */
export function planEvaluation(
  set: PictureSet,
  pictures: readonly EvaluationPicture[],
  shape: PackedShape,
): Generator<PlannedStep, void> {
  checkShape(shape);
  return evaluationSteps(set, pictures, shape);
}

function* evaluationSteps(
  set: PictureSet,
  pictures: readonly EvaluationPicture[],
  shape: PackedShape,
): Generator<PlannedStep, void> {
  function* picturesFrom(first: number): Generator<PlannedPicture> {
    for (let position = first; position < pictures.length; position++) {
      const { index, grid } = pictures[position];
      const caption = captionOf(set, index, shape);
      yield {
        index,
        label: set.label(index),
        grid,
        tokens: gridTokens(grid),
        textTokens: caption?.length ?? 0,
        position,
        isMirrored: false,
        isShrunk: false,
        caption,
      };
    }
  }
  for (let step = 0, first = 0; first < pictures.length; step++) {
    const { sequences, packed } = packFirstFit(
      shape.sequences,
      capacityOf(shape),
      picturesFrom(first),
    );
    first += packed;
    yield { step, next: { step: step + 1, groupStart: first }, sequences };
  }
}
