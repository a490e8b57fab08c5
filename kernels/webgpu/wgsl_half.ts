/**
 * Half-precision numbers in WGSL, two in a word of a storage buffer.
 *
 * @module
 */

export const halfFunctions = `fn widenFour(halves: vec2<u32>) -> vec4<f32> {
return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
fn widenOne(pair: u32, place: u32) -> f32 { return unpack2x16float(pair)[place]; }
`;
