/**
 * Everything in a packed batch that follows from its plan: which token belongs to which slot, and what
 * the slots hold. The tokens themselves are written by `picture_tokens.ts`.
 *
 * @module
 */

import type { PackedArrays, PackedShape } from "./batch.ts";
import type { PlannedPicture, PlannedStep } from "./plan.ts";

/** A picture and its places in a batch. */
export interface PlacedPicture {
  /** The picture. */
  readonly picture: PlannedPicture;
  /** Number of its first token in the batch, counted over all sequences. */
  readonly firstToken: number;
  /** Number of its slot in the batch, counted over all sequences. */
  readonly slot: number;
}

/** Zeros in memory that threads share. */
function allocate<T>(
  type: { new (buffer: SharedArrayBuffer): T; readonly BYTES_PER_ELEMENT: number },
  length: number,
): T {
  return new type(new SharedArrayBuffer(length * type.BYTES_PER_ELEMENT));
}

/** Allocates the arrays of a batch, for all its steps to come. */
export function allocateBatch(shape: PackedShape, channels: number): PackedArrays {
  const { sequences, sequenceLength, images, patch, text } = shape;
  const perToken = (values = 1) => sequences * sequenceLength * values;
  const integers = (length: number) => allocate(Int32Array, length);
  return {
    patches: allocate(Float32Array, perToken(channels * patch ** 2)),
    segments: integers(perToken()),
    rows: integers(perToken()),
    columns: integers(perToken()),
    gridRows: integers(perToken()),
    gridColumns: integers(perToken()),
    labels: integers(sequences * images),
    weights: allocate(Float32Array, sequences * images),
    indices: integers(sequences * images),
    ...(text && {
      textTokens: integers(sequences * text.sequenceLength),
      textSegments: integers(sequences * text.sequenceLength),
      textPositions: integers(sequences * text.sequenceLength),
    }),
  };
}

/** Makes a slot empty. */
export function emptySlot({ labels, weights, indices }: PackedArrays, slot: number): void {
  labels[slot] = 0;
  weights[slot] = 0;
  indices[slot] = -1;
}

/** Gives every slot that holds a picture its share of the loss. */
export function fillWeights({ weights, indices }: PackedArrays, images: number): void {
  for (let slot = 0; slot < weights.length; slot++) {
    weights[slot] = indices[slot] < 0 ? 0 : 1 / images;
  }
}

/** Makes all of a batch padding. */
function clear(arrays: PackedArrays): void {
  arrays.patches.fill(0);
  for (const zeros of [arrays.rows, arrays.columns, arrays.labels, arrays.weights]) zeros.fill(0);
  arrays.segments.fill(-1);
  arrays.indices.fill(-1);
  arrays.gridRows.fill(1);
  arrays.gridColumns.fill(1);
  arrays.textTokens?.fill(0);
  arrays.textSegments?.fill(-1);
  arrays.textPositions?.fill(0);
}

/** Writes a caption from a text token of the batch on. */
function writeCaption(
  { textTokens, textSegments, textPositions }: PackedArrays,
  caption: Int32Array,
  first: number,
  segment: number,
): void {
  textTokens!.set(caption, first);
  textSegments!.fill(segment, first, first + caption.length);
  for (let place = 0; place < caption.length; place++) textPositions![first + place] = place;
}

/** Writes what a picture's tokens and slot are, but not the patches. */
function writePicture(arrays: PackedArrays, segment: number, placed: PlacedPicture): void {
  const { picture: { index, label, grid, tokens }, firstToken, slot } = placed;
  const end = firstToken + tokens;
  arrays.segments.fill(segment, firstToken, end);
  arrays.gridRows.fill(grid.rows, firstToken, end);
  arrays.gridColumns.fill(grid.columns, firstToken, end);
  arrays.labels[slot] = label;
  arrays.indices[slot] = index;
}

/**
 * Lays a step out: every sequence's pictures one after the other, the rest padding.
 *
 * @returns the pictures and where their tokens belong
 */
export function layOutBatch(
  { sequences }: PlannedStep,
  shape: PackedShape,
  arrays: PackedArrays,
): PlacedPicture[] {
  clear(arrays);
  return sequences.flatMap(({ items }, sequence) => {
    let firstToken = sequence * shape.sequenceLength;
    let firstText = sequence * (shape.text?.sequenceLength ?? 0);
    return items.map((picture, segment) => {
      const placed = { picture, firstToken, slot: sequence * shape.images + segment };
      writePicture(arrays, segment, placed);
      if (picture.caption) writeCaption(arrays, picture.caption, firstText, segment);
      firstToken += picture.tokens;
      firstText += picture.textTokens;
      return placed;
    });
  });
}
