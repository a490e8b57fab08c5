/**
 * Captions as tokens: their UTF-8 bytes and an end token.
 *
 * @module
 */

/** The token that ends a caption; tokens below it are bytes. */
const endToken = 256;

/** Number of different tokens. */
export const textVocabulary = 257;

/**
 * The tokens of a caption, the end token included.
 *
 * @param longest the most tokens there may be, at least 1; bytes that are too many are cut off
 */
export function captionTokens(caption: string, longest: number): Int32Array {
  const bytes = new TextEncoder().encode(caption).subarray(0, longest - 1);
  return Int32Array.of(...bytes, endToken);
}
