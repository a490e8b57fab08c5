/**
 * A packed batch: patches of several pictures, each at its own size, one after the other in
 * sequences of one length. (NaViT, section 2.1)
 *
 * @module
 */

/** The fixed sizes of a packed batch. */
export interface PackedShape {
  /** Sequences B. */
  readonly sequences: number;
  /** Tokens L of a sequence. */
  readonly sequenceLength: number;
  /** Slots E of a sequence: the most pictures in it (E_max). */
  readonly images: number;
  /** Side p of a patch in pixels. */
  readonly patch: number;
  /** Captions, packed as the pictures are; none unless told. */
  readonly text?: PackedTextShape;
}

/** The fixed sizes of packed captions. */
export interface PackedTextShape {
  /** Text tokens Lt of a sequence. */
  readonly sequenceLength: number;
  /** Tokens of the longest caption, its end included; longer ones are cut. At most Lt. */
  readonly captionLength: number;
}

/**
 * Checks the sizes of a batch.
 *
 * @throws {RangeError} when one is not a whole number from 1 up, or captions may be longer than a
 * text sequence
 */
export function checkShape(shape: PackedShape): void {
  const { sequences, sequenceLength, images, patch, text } = shape;
  const sizes: [string, number][] = [
    ["sequences a batch", sequences],
    ["tokens a sequence", sequenceLength],
    ["images a sequence", images],
    ["patch size", patch],
  ];
  if (text) {
    sizes.push(["text tokens a sequence", text.sequenceLength], ["caption", text.captionLength]);
  }
  for (const [what, size] of sizes) {
    if (!(Number.isSafeInteger(size) && size >= 1)) {
      throw new RangeError(`${what}: ${size} is not a whole number from 1 up`);
    }
  }
  if (text && text.captionLength > text.sequenceLength) {
    throw new RangeError(
      `captions of ${text.captionLength} tokens do not fit into text sequences of ${text.sequenceLength}`,
    );
  }
}

/** The arrays of a packed batch, row-major. C is the number of colour channels. */
export interface PackedArrays {
  /**
   * (B, L, C p p): pixels in [-1, 1], channel slowest, then row, then column; 0 for padding.
   */
  readonly patches: Float32Array;
  /** (B, L): slot 0 .. E-1 of the token's picture, ascending within a sequence; -1 for padding. */
  readonly segments: Int32Array;
  /** (B, L): row of the patch in the picture's full grid; 0 for padding. */
  readonly rows: Int32Array;
  /** (B, L): column of the patch in the picture's full grid; 0 for padding. */
  readonly columns: Int32Array;
  /** (B, L): rows of the picture's grid before dropping; 1 for padding. */
  readonly gridRows: Int32Array;
  /** (B, L): columns of the picture's grid before dropping; 1 for padding. */
  readonly gridColumns: Int32Array;
  /** (B, E): class; 0 for an empty slot. */
  readonly labels: Int32Array;
  /** (B, E): 1 / (pictures in the batch) for a picture, 0 for an empty slot. */
  readonly weights: Float32Array;
  /** (B, E): index in the data set, -1 for an empty slot. */
  readonly indices: Int32Array;
  /** (B, Lt), with captions: bytes and the end token 256; 0 for padding. */
  readonly textTokens?: Int32Array;
  /** (B, Lt), with captions: slot of the token's picture, -1 for padding. */
  readonly textSegments?: Int32Array;
  /** (B, Lt), with captions: position in the caption, 0 for padding. */
  readonly textPositions?: Int32Array;
}

/** What a batch holds, in numbers. */
export interface PackedCounts {
  /** Pictures with weight. */
  readonly images: number;
  /** Tokens that are not padding; divided by B L, the fill rate. */
  readonly tokens: number;
  /** Pictures that were larger than a sequence, or longer than allowed, and became smaller. */
  readonly shrunk: number;
  /** Pictures found damaged: their slots count as empty, their tokens are grey. */
  readonly unreadable: number;
  /** Sequences that took no more pictures with tokens left, because all slots were taken. */
  readonly closedByImages: number;
}

/** Where a stream of packed batches stands: all that is needed to go on exactly. */
export interface PackingPosition {
  /** The training step of the next batch. */
  readonly step: number;
  /** Position in the stream of pictures of the first one in that batch's group. */
  readonly groupStart: number;
}

/** The stream's beginning. */
export const packingStart: PackingPosition = { step: 0, groupStart: 0 };

/** One batch. Its arrays are the loader's and are overwritten after the next call of `next`. */
export interface PackedBatch extends PackedArrays {
  /** The training step it belongs to. */
  readonly step: number;
  /** The position of the batch after it, for a checkpoint. */
  readonly next: PackingPosition;
  /** What it holds. */
  readonly counts: PackedCounts;
  /** Which file is the first of the damaged ones, and what is wrong with it. */
  readonly damage?: string;
}
