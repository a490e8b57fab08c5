/**
 * What attention costs in packed sequences (NaViT, section 2.3 and Figure 4).
 *
 * @module
 */
import type { TransformerConfig } from "../../nn/transformer.ts";

/** Multiply-adds of a forward pass through the blocks, an image. */
export interface PackingCost {
  /** Of attention where every token of a sequence meets every other one, padding included. */
  readonly denseAttention: number;
  /** Of attention where tokens meet those of their own image only: blocks that nobody sees skipped. */
  readonly visibleAttention: number;
  /**
   * How much more dense attention makes the blocks cost, a token, than images in sequences of their
   * own do, as a part of the latter: (6 d + L) / (6 d + n) - 1 for L tokens a sequence and n an image.
   */
  readonly overhead: number;
}

/**
 * Counts attention.
 *
 * @param images tokens of each image
 * @param sequences how many sequences they were packed into
 * @param length tokens of a sequence
 */
export function packingCost(
  { depth, hidden, mlp }: TransformerConfig,
  images: readonly number[],
  sequences: number,
  length: number,
): PackingCost {
  const tokens = images.reduce((sum, count) => sum + count, 0);
  const visiblePairs = images.reduce((sum, count) => sum + count ** 2, 0);
  // Scores and weighted values: two products of width d for every pair of tokens.
  const attention = (pairs: number): number => 2 * pairs * hidden * depth / images.length;
  const products = 4 * hidden ** 2 + 2 * hidden * mlp;
  const together = products + 2 * hidden * length;
  const apart = products + 2 * hidden * visiblePairs / tokens;
  return {
    denseAttention: attention(sequences * length ** 2),
    visibleAttention: attention(visiblePairs),
    overhead: together / apart - 1,
  };
}
