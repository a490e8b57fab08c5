/**
 * Random numbers on WebGPU: one invocation computes one Philox block, four elements of a row.
 *
 * WGSL has no 64-bit product, so the high half of 32 x 32 bits is put together from products of
 * 16-bit halves. Normal deviates use the accurate functions of `wgsl_math.ts`, as the built-in ones
 * differ between drivers. See `base/philox.ts` for the definition.
 *
 * @module
 */
import { elementCount, formatShape } from "../../shape.ts";
import type { WebGPULowering } from "../../webgpu/lowering.ts";
import { BindingTable, linearKernel } from "../../webgpu/emit/wgsl.ts";
import { mathFunctions } from "../../webgpu/emit/wgsl_math.ts";
import type { RandomStep } from "./step.ts";

/** Fills the output: one dispatch. */
export const lowerRandom: WebGPULowering<RandomStep> = (step) => {
  const { distribution, seed, rows, draw, stream, output } = step;
  const length = elementCount(output.shape.slice(1));
  const blocks = Math.ceil(length / 4);
  const aligned = length % 4 === 0 && output.offset % 4 === 0;
  const table = new BindingTable();
  const seeds = table.use(seed.buffer, "read", "i32");
  const rowIds = table.use(rows.buffer, "read", "i32");
  const draws = table.use(draw.buffer, "read", "i32");
  const target = table.use(output.buffer, "write", aligned ? "vec4<f32>" : "f32");
  const { code, workgroups } = linearKernel(
    output.shape[0] * blocks,
    table.declarations() + philoxFunctions +
      (distribution === "normal" ? normalFunctions : uniformFunctions),
    `let row = index / ${blocks}u;
let block = index % ${blocks}u;
let counter = vec4<u32>(
  block, u32(${rowIds}[row + ${rows.offset}u]), u32(${draws}[${draw.offset}u]), ${stream >>> 0}u);
let key = vec2<u32>(
  u32(${seeds}[${seed.offset}u]), u32(${seeds}[${seed.offset + seed.strides[0]}u]));
let numbers = deviates(philox(counter, key));
${aligned ? storeBlock(target, output.offset) : storeElements(target, output.offset, length)}`,
  );
  const label = `random ${distribution} ${formatShape(output.shape)}`;
  return [{ label, code, bindings: table.bindings, workgroups }];
};

const storeBlock = (target: string, offset: number): string =>
  `${target}[index + ${offset / 4}u] = numbers;`;

function storeElements(target: string, offset: number, length: number): string {
  return [0, 1, 2, 3].map((lane) => {
    const store = `${target}[row * ${length}u + 4u * block + ${
      offset + lane
    }u] = numbers[${lane}];`;
    return length % 4 > lane || length % 4 === 0
      ? store
      : `if (4u * block + ${lane}u < ${length}u) { ${store} }`;
  }).join("\n");
}

const philoxFunctions = `
fn multiplyHigh(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u);
}

fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
  var c = counter;
  var k = key;
  for (var round = 0; round < 10; round++) {
    let high0 = multiplyHigh(0xd2511f53u, c.x);
    let high1 = multiplyHigh(0xcd9e8d57u, c.z);
    c = vec4<u32>(high1 ^ c.y ^ k.x, 0xcd9e8d57u * c.z, high0 ^ c.w ^ k.y, 0xd2511f53u * c.x);
    k += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}
`;

const uniformFunctions = `
fn deviates(words: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(words >> vec4<u32>(8u)) * ${2 ** -24};
}
`;

/**
 * The angle 2 pi v is reduced to an eighth of a circle while it is still an integer number of 2^-24
 * turns, so that nothing is lost to rounding before the polynomials.
 */
const normalFunctions = `${mathFunctions(["logarithm", "sine", "cosine"])}
fn pair(word0: u32, word1: u32) -> vec2<f32> {
  let radius = sqrt(-2.0 * logarithm1(f32((word0 >> 8u) + 1u) * ${2 ** -24}));
  let turns = word1 >> 8u;
  let quarter = (turns + 0x200000u) >> 22u;
  let angle = f32(i32(turns) - i32(quarter << 22u)) * ${2 * Math.PI * 2 ** -24};
  var point = vec2<f32>(cosine1(angle), sine1(angle));
  if ((quarter & 1u) != 0u) { point = vec2<f32>(-point.y, point.x); }
  if ((quarter & 2u) != 0u) { point = -point; }
  return radius * point;
}

fn deviates(words: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(pair(words.x, words.y), pair(words.z, words.w));
}
`;
