/**
 * Convolutions in WGSL.
 *
 * A convolution first packs its kernel, place by place, so that the numbers of four channels of the
 * output lie side by side; an invocation then sums a tile of some neighbouring positions by some
 * channels in registers, straight from the input, of which neighbouring invocations read the same.
 * The gradient of a weight sums, for one place of the kernel, a tile of eight by eight channels over
 * the lines of the output. Where there are few tiles, each has a team of invocations, whose number
 * depends on the sizes alone; they divide the lines among them and add up in workgroup memory.
 *
 * @module
 */
import { elementCount, formatShape } from "../../shape.ts";
import type { View } from "../../view.ts";
import type { Dispatch, WebGPUContext, WebGPULowering } from "../../webgpu/lowering.ts";
import { affine, BindingTable, gridOf, linearKernel } from "../../webgpu/emit/wgsl.ts";
import { MatmulOutput } from "../matmul/wgsl_output.ts";
import type { ConvolutionStep, ConvolutionWeightGradientStep, Windows } from "./step.ts";

/** The tile of an invocation, and how invocations are laid out. */
interface Tiling {
  /** Neighbouring positions, and quads of channels. */
  readonly positions: number;
  readonly quads: number;
  readonly workgroupSize: number;
}

/**
 * A graphics processor has few registers an invocation and many invocations; an adapter that computes
 * on the processor is fastest with large tiles, and workgroups of one vector keep all cores busy.
 */
const tilingOf = (software: boolean, width: number, outputs: number): Tiling =>
  software
    ? {
      positions: Math.min(8, 4 * Math.ceil(width / 4)),
      quads: Math.min(4, quadsOf(outputs)),
      workgroupSize: 8,
    }
    : { positions: 4, quads: 2, workgroupSize: 64 };

/** Quads of channels along each side of a tile of a weight's gradient. */
const gradientQuads = 2;

/** Channels along each side of a tile of a weight's gradient. */
const gradientSide = 4 * gradientQuads;

/** Teams of a weight's gradient grow until there are as many invocations. */
const enoughInvocations = 2 ** 15;

/** Invocations of a workgroup of a weight's gradient: their tiles fill the memory of a workgroup. */
const gradientWorkgroup = 64;

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const lines = (count: number, line: (i: number) => string): string =>
  upTo(count).map(line).join("\n");
const quadsOf = (channels: number): number => Math.ceil(channels / 4);
const gradientTiles = (channels: number): number => Math.ceil(channels / gradientSide);
const powerOfTwo = (least: number): number => 2 ** Math.ceil(Math.log2(least));

/** Lowers a convolution: one dispatch that packs the kernel, one that sums. */
export const lowerConvolution: WebGPULowering<ConvolutionStep> = (step, context) => {
  const packed = context.scratch(
    16 * elementCount(step.weight.shape.slice(0, 4)) *
      quadsOf(step.weight.shape[4]),
  );
  return [packKernel(step, packed, context), windows(step, packed, context)];
};

/** Fills `packed` with (places, C, quads of O), zeros where there is no channel. */
function packKernel(
  { weight, flipped }: ConvolutionStep,
  packed: number,
  context: WebGPUContext,
): Dispatch {
  const [frames, height, width, channels, outputs] = weight.shape;
  const places = [frames, height, width];
  const quads = quadsOf(outputs);
  const table = new BindingTable(context);
  const target = table.use(packed, "write", "vec4<f32>");
  const read = table.reader(weight);
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

function windows(step: ConvolutionStep, packed: number, context: WebGPUContext): Dispatch {
  const { input, weight, output, epilogueInputs } = step;
  const [frames, height, width, channels, outputs] = weight.shape;
  const [images, ...sizes] = output.shape;
  const quads = quadsOf(outputs);
  const tiling = tilingOf(context.software, sizes[2], outputs);
  const columns = Math.ceil(quads / tiling.quads);
  const across = Math.ceil(sizes[2] / tiling.positions);
  const shared = epilogueInputs.some(({ buffer }) => buffer === input.buffer);
  const unit = !shared && isAligned(input) ? 4 : 1;
  const table = new BindingTable(context);
  const read = table.reader(input, unit);
  const kernel = table.use(packed, "read", "vec4<f32>");
  const finished = new MatmulOutput(step, shared ? 1 : 4);
  const tiles = images * sizes[0] * sizes[1] * across;
  const tile = upTo(tiling.positions)
    .flatMap((p) => upTo(tiling.quads).map((q) => [p, q] as const));
  const element = (d: number, p: number): string => unit === 4 ? `x${p}.${"xyzw"[d]}` : `x${p}`;
  const stores = tile.map(([p, q]) =>
    `if (position + ${p}u < ${sizes[2]}u) {
${storeQuad(finished, table, `first + ${p}u`, `quad + ${q}u`, outputs, `sum${p}_${q}`)}
}`
  ).join("\n");
  const body = `${
    context.software
      ? `let quad = (index / ${tiles}u) * ${tiling.quads}u;
let tile = index % ${tiles}u;`
      : `let quad = (index % ${columns}u) * ${tiling.quads}u;
let tile = index / ${columns}u;`
  }
let position = (tile % ${across}u) * ${tiling.positions}u;
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
    lines(tiling.positions, (p) =>
      `let x${p}At = ${place(step, 2, `(position + ${p}u)`, "kx")};
let inside${p} = x${p}At >= 0 && x${p}At < ${input.shape[3]};
let base${p} = base + u32(select(0, x${p}At, inside${p})) * ${input.strides[3] / unit}u;`)
  }
var at = ((kt * ${height}u + ky) * ${width}u + kx) * ${channels * quads}u + quad;
for (var c = 0u; c < ${channels / unit}u; c++) {
${
    lines(tiling.positions, (p) =>
      `let x${p} = select(${unit === 4 ? "vec4<f32>()" : "0.0"}, ${
        read(`base${p} + c`)
      }, inside${p});`)
  }
${
    lines(unit, (d) =>
      `{
${lines(tiling.quads, (q) => `let w${q} = ${kernel}[min(at + ${q}u, ${lastQuad(step)}u)];`)}
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
  const { maxStorageBuffersPerShaderStage: most } = context.limits;
  const declarations = table.declarations(most) + finished.functions;
  return {
    label: `convolution ${formatShape(input.shape)} ${formatShape(weight.shape)}`,
    bindings: table.bindings,
    ...linearKernel(tiles * columns, declarations, body, tiling.workgroupSize),
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

/** Lowers the gradient of a weight. */
export const lowerConvolutionWeightGradient: WebGPULowering<ConvolutionWeightGradientStep> = (
  step,
  context,
) => {
  const { input, outputGradient, output } = step;
  const [outputs, channels, frames, height, width] = output.shape;
  const [images, ...sizes] = outputGradient.shape;
  const rows = images * sizes[0] * sizes[1];
  const places = frames * height * width;
  const [o4, c4] = [gradientTiles(outputs), gradientTiles(channels)];
  const tiles = places * o4 * c4;
  const team = Math.min(
    gradientWorkgroup,
    powerOfTwo(rows),
    powerOfTwo(Math.max(1, enoughInvocations / tiles)),
  );
  const { workgroups, groupIndex } = gridOf(Math.ceil(tiles * team / gradientWorkgroup));
  const quads = upTo(gradientQuads);
  const table = new BindingTable(context);
  const gradient = quadReader(table, outputGradient, outputs, input);
  const value = quadReader(table, input, channels, outputGradient);
  const write = table.writer(output);
  const tile = upTo(gradientSide).flatMap((i) => quads.map((q) => [i, q] as const));
  const body = `let member = lane % ${team}u;
let own = ${groupIndex} * ${gradientWorkgroup / team}u + lane / ${team}u;
// The barrier is for all: teams past the end repeat the last tile and store nothing.
let index = min(own, ${tiles - 1}u);
let c = index % ${c4}u;
let o = (index / ${c4}u) % ${o4}u;
let at = index / ${c4 * o4}u;
let kx = at % ${width}u;
let ky = (at / ${width}u) % ${height}u;
let kt = at / ${width * height}u;
${tile.map(([i, q]) => `var sum${i}_${q} = vec4<f32>();`).join("\n")}
for (var row = member; row < ${rows}u; row += ${team}u) {
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
${
    quads.map((q) =>
      `let value${q} = ${
        value(`inputLine + u32(x) * ${input.strides[3]}u`, `(c * ${gradientQuads}u + ${q}u)`)
      };
let gradient${q} = ${
        gradient(
          `outputLine + position * ${outputGradient.strides[3]}u`,
          `(o * ${gradientQuads}u + ${q}u)`,
        )
      };`
    ).join("\n")
  }
${
    tile.map(([i, q]) => `sum${i}_${q} += gradient${i >> 2}.${"xyzw"[i & 3]} * value${q};`).join(
      "\n",
    )
  }
}
}
${tile.map(([i, q], n) => `sums[lane * ${tile.length}u + ${n}u] = sum${i}_${q};`).join("\n")}
workgroupBarrier();
if (own >= ${tiles}u) { return; }
for (var n = member; n < ${gradientSide ** 2}u; n += ${team}u) {
let row = o * ${gradientSide}u + n / ${gradientSide}u;
let column = c * ${gradientSide}u + n % ${gradientSide}u;
if (row >= ${outputs}u || column >= ${channels}u) { continue; }
var sum = 0.0;
for (var other = lane - member; other < lane - member + ${team}u; other++) {
sum += sums[other * ${tile.length}u + n / 4u][n % 4u];
}
${write(`${output.offset}u + (row * ${channels}u + column) * ${places}u + at`, "sum")}
}`;
  const code = `${table.declarations()}
var<workgroup> sums: array<vec4<f32>, ${gradientWorkgroup * tile.length}>;
@compute @workgroup_size(${gradientWorkgroup})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
${body}
}
`;
  const label = `weight gradient ${formatShape(output.shape)} of ${formatShape(input.shape)}`;
  return [{ label, bindings: table.bindings, code, workgroups }];
};

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
    const read = table.reader(view, 4);
    const last = channels / 4 - 1;
    return (position, quad) => read(`(${position}) / 4u + min(${quad}, ${last}u)`);
  }
  const read = table.reader(view);
  return (position, quad) => {
    const numbers = upTo(4).map((i) =>
      read(`${position} + min(${quad} * 4u + ${i}u, ${channels - 1}u)`)
    );
    return `vec4<f32>(${numbers.join(", ")})`;
  };
}
