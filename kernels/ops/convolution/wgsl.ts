/**
 * Convolutions in WGSL.
 *
 * A convolution first packs its kernel, place by place, so that the numbers of four channels of the
 * output lie side by side; an invocation then sums a tile of some neighbouring positions by some
 * channels in registers, straight from the input, of which neighbouring invocations read the same.
 * The gradient of a weight sums, for one place of the kernel, a tile of four by four channels over
 * some lines of the output; where there are few tiles, lines are divided among several sums, whose
 * number depends on the sizes alone, and a second dispatch adds these up.
 *
 * @module
 */
import { elementCount, formatShape } from "../../shape.ts";
import type { View } from "../../view.ts";
import type { Dispatch, WebGPUContext, WebGPULowering } from "../../webgpu/lowering.ts";
import { affine, BindingTable, linearKernel } from "../../webgpu/wgsl.ts";
import { MatmulOutput } from "../matmul/wgsl_output.ts";
import type { ConvolutionStep, ConvolutionWeightGradientStep, Windows } from "./step.ts";

/** Positions and quads of channels of the tile of an invocation. */
const tilePositions = 4;
const tileQuads = 2;

/** Lines of a weight's gradient are divided until there are as many invocations. */
const enoughInvocations = 2 ** 15;

/** Numbers that partial sums may take where the weight is smaller. */
const partialNumbers = 2 ** 18;

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const lines = (count: number, line: (i: number) => string): string =>
  upTo(count).map(line).join("\n");
const quadsOf = (channels: number): number => Math.ceil(channels / 4);

/** Lowers a convolution: one dispatch that packs the kernel, one that sums. */
export const lowerConvolution: WebGPULowering<ConvolutionStep> = (step, context) => {
  const packed = context.scratch(
    16 * elementCount(step.weight.shape.slice(0, 4)) *
      quadsOf(step.weight.shape[4]),
  );
  return [packKernel(step, packed), windows(step, packed, context)];
};

/** Fills `packed` with (places, C, quads of O), zeros where there is no channel. */
function packKernel({ weight, flipped }: ConvolutionStep, packed: number): Dispatch {
  const [frames, height, width, channels, outputs] = weight.shape;
  const places = [frames, height, width];
  const quads = quadsOf(outputs);
  const table = new BindingTable();
  const target = table.use(packed, "write", "vec4<f32>");
  const read = table.reader({ ...weight, dtype: "f32" });
  const names = ["frame", "line", "place"].map((name, axis) =>
    flipped ? `(${places[axis] - 1}u - ${name})` : name
  );
  const address = affine(weight.offset, [...names, "channel", "column"], weight.strides);
  const body = `let quad = index % ${quads}u;
let channel = (index / ${quads}u) % ${channels}u;
let at = index / ${quads * channels}u;
let place = at % ${width}u;
let line = (at / ${width}u) % ${height}u;
let frame = at / ${width * height}u;
var numbers = vec4<f32>();
for (var i = 0u; i < 4u; i++) {
let column = quad * 4u + i;
if (column < ${outputs}u) { numbers[i] = ${read(address)}; }
}
${target}[index] = numbers;`;
  const count = elementCount(places) * channels * quads;
  const kernel = linearKernel(count, table.declarations(), body);
  const label = `packing for convolution ${formatShape(weight.shape)}`;
  return { label, bindings: table.bindings, ...kernel };
}

function windows(step: ConvolutionStep, packed: number, { limits }: WebGPUContext): Dispatch {
  const { input, weight, output, epilogueInputs } = step;
  const [frames, height, width, channels, outputs] = weight.shape;
  const [images, ...sizes] = output.shape;
  const quads = quadsOf(outputs);
  const columns = Math.ceil(quads / tileQuads);
  const across = Math.ceil(sizes[2] / tilePositions);
  const shared = epilogueInputs.some(({ buffer }) => buffer === input.buffer);
  const unit = !shared && isAligned(input) ? 4 : 1;
  const table = new BindingTable();
  const read = table.reader({ ...input, dtype: "f32" }, unit);
  const kernel = table.use(packed, "read", "vec4<f32>");
  const finished = new MatmulOutput(step, shared ? 1 : 4);
  const tile = upTo(tilePositions).flatMap((p) => upTo(tileQuads).map((q) => [p, q] as const));
  const element = (d: number, p: number): string => unit === 4 ? `x${p}.${"xyzw"[d]}` : `x${p}`;
  const stores = tile.map(([p, q]) =>
    `if (position + ${p}u < ${sizes[2]}u) {
${storeQuad(finished, table, `first + ${p}u`, `quad + ${q}u`, outputs, `sum${p}_${q}`)}
}`
  ).join("\n");
  const body = `let quad = (index % ${columns}u) * ${tileQuads}u;
let tile = index / ${columns}u;
let position = (tile % ${across}u) * ${tilePositions}u;
let row = tile / ${across}u;
let line = row % ${sizes[1]}u;
let frame = (row / ${sizes[1]}u) % ${sizes[0]}u;
let image = row / ${sizes[0] * sizes[1]}u;
${tile.map(([p, q]) => `var sum${p}_${q} = vec4<f32>();`).join("\n")}
for (var kt = 0u; kt < ${frames}u; kt++) {
let t = ${place(step, 0, "frame", "kt")};
if (t < 0 || t >= ${input.shape[1]}) { continue; }
for (var ky = 0u; ky < ${height}u; ky++) {
let y = ${place(step, 1, "line", "ky")};
if (y < 0 || y >= ${input.shape[2]}) { continue; }
let base = ${affine(input.offset / unit, ["image", "u32(t)", "u32(y)"], inUnits(input, unit))};
for (var kx = 0u; kx < ${width}u; kx++) {
${
    lines(tilePositions, (p) =>
      `let x${p}At = ${place(step, 2, `(position + ${p}u)`, "kx")};
let inside${p} = x${p}At >= 0 && x${p}At < ${input.shape[3]};
let base${p} = base + u32(select(0, x${p}At, inside${p})) * ${input.strides[3] / unit}u;`)
  }
var at = ((kt * ${height}u + ky) * ${width}u + kx) * ${channels * quads}u + quad;
for (var c = 0u; c < ${channels / unit}u; c++) {
${
    lines(tilePositions, (p) =>
      `let x${p} = select(${unit === 4 ? "vec4<f32>()" : "0.0"}, ${
        read(`base${p} + c`)
      }, inside${p});`)
  }
${
    lines(unit, (d) =>
      `{
${lines(tileQuads, (q) => `let w${q} = ${kernel}[min(at + ${q}u, ${lastQuad(step)}u)];`)}
${tile.map(([p, q]) => `sum${p}_${q} += ${element(d, p)} * w${q};`).join("\n")}
at += ${quads}u;
}`)
  }
}
}
}
}
let first = row * ${sizes[2]}u + position;
${stores}`;
  const declarations = table.declarations(limits.maxStorageBuffersPerShaderStage) +
    finished.functions;
  const count = images * sizes[0] * sizes[1] * across * columns;
  return {
    label: `convolution ${formatShape(input.shape)} ${formatShape(weight.shape)}`,
    bindings: table.bindings,
    ...linearKernel(count, declarations, body),
  };
}

/** Number of the last vector of the packed kernel. */
const lastQuad = ({ weight }: ConvolutionStep): number =>
  elementCount(weight.shape.slice(0, 4)) * quadsOf(weight.shape[4]) - 1;

/** `i32` code for a place of the input along an axis: it may lie outside. */
function place({ strides, before }: Windows, axis: number, position: string, k: string): string {
  return `i32(${position} * ${strides[axis]}u + ${k}) + (${-before[axis]})`;
}

/** Whether all positions of a view start at a multiple of four and have whole fours of channels. */
function isAligned({ offset, shape, strides }: View): boolean {
  return shape[4] % 4 === 0 && offset % 4 === 0 &&
    strides.slice(0, 4).every((stride) => stride % 4 === 0);
}

/** Strides of images, frames and lines. */
const inUnits = ({ strides }: View, unit: number): number[] =>
  strides.slice(0, 3).map((stride) => stride / unit);

/** Stores a vector of four channels of a row, or those of them that exist. */
function storeQuad(
  finished: MatmulOutput,
  table: BindingTable,
  row: string,
  quad: string,
  channels: number,
  value: string,
): string {
  const element = (channel: string): string => `(${row}) * ${channels}u + ${channel}`;
  if (finished.width === 4) {
    return `if (${quad} < ${channels / 4}u) ${
      finished.store(table, element(`(${quad}) * 4u`), value)
    }`;
  }
  return lines(
    4,
    (i) =>
      `if ((${quad}) * 4u + ${i}u < ${channels}u) ${
        finished.store(table, element(`(${quad}) * 4u + ${i}u`), `${value}.${"xyzw"[i]}`)
      }`,
  );
}

/** Lowers the gradient of a weight: one dispatch, or one of partial sums and one that adds them. */
export const lowerConvolutionWeightGradient: WebGPULowering<ConvolutionWeightGradientStep> = (
  step,
  context,
) => {
  const { output, outputGradient } = step;
  const [outputs, channels, ...kernel] = output.shape;
  const tiles = elementCount(kernel) * quadsOf(outputs) * quadsOf(channels);
  const size = elementCount(output.shape);
  const parts = Math.max(
    1,
    Math.min(
      elementCount(outputGradient.shape.slice(0, 3)),
      Math.ceil(enoughInvocations / tiles),
      Math.floor(Math.max(size, partialNumbers) / size),
    ),
  );
  if (parts === 1) return [sums(step, parts, output.buffer, output.offset)];
  const partial = context.scratch(4 * size * parts);
  return [sums(step, parts, partial, 0), total(step, parts, partial)];
};

/** Sums every tile over its part of the lines. */
function sums(
  step: ConvolutionWeightGradientStep,
  parts: number,
  buffer: number,
  offset: number,
): Dispatch {
  const { input, outputGradient, output } = step;
  const [outputs, channels, frames, height, width] = output.shape;
  const [images, ...sizes] = outputGradient.shape;
  const rows = images * sizes[0] * sizes[1];
  const rowsOfPart = Math.ceil(rows / parts);
  const places = frames * height * width;
  const [o4, c4] = [quadsOf(outputs), quadsOf(channels)];
  const table = new BindingTable();
  const gradient = quadReader(table, outputGradient, outputs, input);
  const value = quadReader(table, input, channels, outputGradient);
  const target = table.use(buffer, "write");
  const stores = upTo(4).flatMap((i) =>
    upTo(4).map((j) =>
      `if (o * 4u + ${i}u < ${outputs}u && c * 4u + ${j}u < ${channels}u) {
${target}[first + ((o * 4u + ${i}u) * ${channels}u + c * 4u + ${j}u) * ${places}u] = sum${i}.${
        "xyzw"[j]
      };
}`
    )
  ).join("\n");
  const body = `let c = index % ${c4}u;
let o = (index / ${c4}u) % ${o4}u;
let at = (index / ${c4 * o4}u) % ${places}u;
let part = index / ${c4 * o4 * places}u;
let kx = at % ${width}u;
let ky = (at / ${width}u) % ${height}u;
let kt = at / ${width * height}u;
${lines(4, (i) => `var sum${i} = vec4<f32>();`)}
for (var row = part * ${rowsOfPart}u; row < min((part + 1u) * ${rowsOfPart}u, ${rows}u); row++) {
let line = row % ${sizes[1]}u;
let frame = (row / ${sizes[1]}u) % ${sizes[0]}u;
let image = row / ${sizes[0] * sizes[1]}u;
let t = ${place(step, 0, "frame", "kt")};
let y = ${place(step, 1, "line", "ky")};
if (t < 0 || t >= ${input.shape[1]} || y < 0 || y >= ${input.shape[2]}) { continue; }
let inputLine = ${affine(input.offset, ["image", "u32(t)", "u32(y)"], inUnits(input, 1))};
let outputLine = ${
    affine(outputGradient.offset, ["image", "frame", "line"], inUnits(outputGradient, 1))
  };
for (var position = 0u; position < ${sizes[2]}u; position++) {
let x = ${place(step, 2, "position", "kx")};
if (x < 0 || x >= ${input.shape[3]}) { continue; }
let value = ${value(`inputLine + u32(x) * ${input.strides[3]}u`, "c")};
let gradient = ${gradient(`outputLine + position * ${outputGradient.strides[3]}u`, "o")};
${lines(4, (i) => `sum${i} += gradient.${"xyzw"[i]} * value;`)}
}
}
let first = ${offset}u + part * ${elementCount(output.shape)}u + at;
${stores}`;
  const label = `weight gradient ${formatShape(output.shape)} of ${formatShape(input.shape)}`;
  const kernel = linearKernel(c4 * o4 * places * parts, table.declarations(), body);
  return { label, bindings: table.bindings, ...kernel };
}

/**
 * WGSL that reads four channels of a view, given the address of a position and the number of the
 * four; channels past the last one repeat it.
 */
function quadReader(
  table: BindingTable,
  view: View,
  channels: number,
  other: View,
): (position: string, quad: string) => string {
  if (isAligned(view) && view.buffer !== other.buffer) {
    const read = table.reader({ ...view, dtype: "f32" }, 4);
    return (position, quad) => read(`(${position}) / 4u + ${quad}`);
  }
  const read = table.reader({ ...view, dtype: "f32" });
  return (position, quad) => {
    const numbers = upTo(4).map((i) =>
      read(`${position} + min(${quad} * 4u + ${i}u, ${channels - 1}u)`)
    );
    return `vec4<f32>(${numbers.join(", ")})`;
  };
}

/** Adds partial sums in their order. */
function total(
  { output }: ConvolutionWeightGradientStep,
  parts: number,
  partial: number,
): Dispatch {
  const size = elementCount(output.shape);
  const table = new BindingTable();
  const source = table.use(partial, "read");
  const target = table.use(output.buffer, "write");
  const body = `var sum = 0.0;
for (var part = 0u; part < ${parts}u; part++) { sum += ${source}[part * ${size}u + index]; }
${target}[${output.offset}u + index] = sum;`;
  const label = `sum of ${parts} weight gradients ${formatShape(output.shape)}`;
  const kernel = linearKernel(size, table.declarations(), body);
  return { label, bindings: table.bindings, ...kernel };
}
