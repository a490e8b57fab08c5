/**
 * The streams of random numbers: one number for each use of randomness, so that they never overlap.
 *
 * @module
 */

/** Stream numbers of the counter-based generator. They are part of what a seed means: never reuse. */
export const streams = {
  initialization: 1,
  timestep: 2,
  noise: 3,
  labelDropout: 4,
  samplingStart: 5,
  samplingStep: 6,
  posterior: 7,
  selfConditioning: 8,
  framePrediction: 9,
  lowResolutionNoise: 10,
  noiseLevel: 11,
} as const;

/** A seed (a whole number up to 2^53) as the two 32-bit words of the generator's key. */
export function seedWords(seed: number): Int32Array {
  return Int32Array.of(seed % 2 ** 32, Math.floor(seed / 2 ** 32));
}
