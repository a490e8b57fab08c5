/**
 * From a picture to its tokens: decoding, resizing to whole patches, and writing the patches that are
 * kept to their places in a batch.
 *
 * @module
 */

import { scaleBytes } from "../dataset.ts";
import type { PackedArrays } from "../packing/batch.ts";
import { gridTokens, type PatchGrid, type PictureSize } from "../packing/patch_grid.ts";
import type { Picture } from "./picture.ts";
import { decodeSource, type PictureSource } from "../picture_set.ts";
import { resize, triangleFilter } from "./resample.ts";
import { keptTokens } from "../packing/token_dropping.ts";

/** The arrays of a batch that are written picture by picture; in memory that threads share. */
export type TokenArrays = Pick<PackedArrays, "patches" | "rows" | "columns">;

/** One picture's part of a batch. */
export interface PictureJob {
  /** Where the picture is. */
  readonly source: PictureSource;
  /** The size of the picture, which its grid was made for. */
  readonly size: PictureSize;
  /** Colour channels of the patches. */
  readonly channels: number;
  /** Side of a patch in pixels. */
  readonly patch: number;
  /** The picture's patches before any is dropped. */
  readonly grid: PatchGrid;
  /** How many tokens are kept, and on what the choice of them depends. */
  readonly kept: { readonly count: number; readonly seed: number; readonly position: number };
  /** Whether the picture is mirrored, left to right. */
  readonly isMirrored: boolean;
  /** The batch. */
  readonly arrays: TokenArrays;
  /** Number of the picture's first token in the batch, counted over all sequences. */
  readonly firstToken: number;
}

/** The pixels of a patch, (channels, patch, patch), to `out` from `start` on. */
function copyPatch(
  { width, channels, data }: Picture,
  top: number,
  left: number,
  patch: number,
  isMirrored: boolean,
  out: Uint8Array,
  start: number,
): void {
  // A mirrored picture is read from right to left.
  const first = isMirrored ? width - 1 - left : left;
  const step = isMirrored ? -channels : channels;
  for (let channel = 0; channel < channels; channel++) {
    for (let row = top; row < top + patch; row++) {
      let source = (row * width + first) * channels + channel;
      for (let column = 0; column < patch; column++, source += step) out[start++] = data[source];
    }
  }
}

/**
 * Writes a picture's tokens: their patches, rows and columns.
 *
 * The picture is resized with a triangle filter, which is bilinear interpolation where it grows and
 * does not alias where it shrinks.
 *
 * @param picture has the job's number of channels
 */
export function writeTokens(picture: Picture, job: PictureJob): void {
  const { patch, grid, kept, isMirrored, arrays, firstToken } = job;
  const { patches, rows, columns } = arrays;
  const sized = resize(picture, triangleFilter, grid.rows * patch, grid.columns * patch);
  const tokens = keptTokens(gridTokens(grid), kept.count, kept.seed, kept.position);
  const length = sized.channels * patch ** 2;
  const bytes = new Uint8Array(tokens.length * length);
  tokens.forEach((token, place) => {
    const row = Math.floor(token / grid.columns);
    const column = token % grid.columns;
    rows[firstToken + place] = row;
    columns[firstToken + place] = column;
    copyPatch(sized, row * patch, column * patch, patch, isMirrored, bytes, place * length);
  });
  scaleBytes(bytes, patches, firstToken * length);
}

/**
 * Decodes a picture and writes its tokens.
 *
 * @returns the decoded picture
 * @throws {InputError} when it cannot be decoded or has changed; nothing is written then
 */
export async function prepareTokens(job: PictureJob): Promise<Picture> {
  const picture = await decodeSource(job.source, job.channels, job.size);
  writeTokens(picture, job);
  return picture;
}
