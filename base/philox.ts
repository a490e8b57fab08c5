/**
 * Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", 2011) and how its words become numbers. This file is the definition; the kernels of both
 * devices reproduce its integers exactly and its normal deviates to a few units in the last place.
 *
 * @module
 */

/** A counter or block of four 32-bit words. */
export type Words4 = readonly [number, number, number, number];

const multiplierA = 0xd2511f53;
const multiplierB = 0xcd9e8d57;
const weylA = 0x9e3779b9;
const weylB = 0xbb67ae85;

/** High 32 bits of an unsigned 32 x 32 bit product. */
function multiplyHigh(a: number, b: number): number {
  return Number((BigInt(a >>> 0) * BigInt(b >>> 0)) >> 32n);
}

/** Ten rounds of Philox 4x32: four unsigned words from a counter and a key of two words. */
export function philox(
  counter: Words4,
  key0: number,
  key1: number,
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(multiplierA, c0);
    const low0 = Math.imul(multiplierA, c0);
    const high1 = multiplyHigh(multiplierB, c2);
    const low1 = Math.imul(multiplierB, c2);
    [c0, c1, c2, c3] = [high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0];
    key0 = (key0 + weylA) | 0;
    key1 = (key1 + weylB) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/** A uniform deviate in [0, 1) from the upper 24 bits of a word. */
export function uniformFromWord(word: number): number {
  return (word >>> 8) * 2 ** -24;
}

/**
 * Two standard normal deviates from two words (Box and Muller):
 * `sqrt(-2 ln u) * (cos, sin)(2 pi v)` with u in (0, 1] and v in [0, 1).
 */
export function normalsFromWords(word0: number, word1: number): [number, number] {
  const radius = Math.sqrt(-2 * Math.log(((word0 >>> 8) + 1) * 2 ** -24));
  const angle = 2 * Math.PI * uniformFromWord(word1);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/**
 * Element `index` of row `row`: what a `random` step writes there (in double precision).
 *
 * Element e takes word e % 4 of block floor(e / 4); normal deviates take the words in pairs.
 */
export function randomElement(
  distribution: "normal" | "uniform",
  seed: readonly [number, number],
  row: number,
  draw: number,
  stream: number,
  index: number,
): number {
  const words = philox([index >>> 2, row, draw, stream], seed[0], seed[1]);
  const lane = index & 3;
  if (distribution === "uniform") return uniformFromWord(words[lane]);
  const pair = lane & 2;
  return normalsFromWords(words[pair], words[pair + 1])[lane & 1];
}
