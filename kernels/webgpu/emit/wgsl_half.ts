/**
 * Half-precision numbers in WGSL, two in a word of a storage buffer: no feature is needed.
 *
 * `unpack2x16float` is exact, except that the specification lets an implementation take subnormal
 * halves (below 6.1e-5) for zero and leaves infinities and NaNs open. Whether an adapter keeps them
 * all, as Mesa's does, is what `tests/kernels/ops/half_test.ts` shows.
 *
 * @module
 */

/**
 * `widenFour` takes the four halves of two words, `widenOne` the half at place 0 or 1 of a word.
 */
export const halfFunctions = `fn widenFour(halves: vec2<u32>) -> vec4<f32> {
return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
fn widenOne(halves: u32, place: u32) -> f32 { return unpack2x16float(halves >> (16u * place)).x; }
`;
