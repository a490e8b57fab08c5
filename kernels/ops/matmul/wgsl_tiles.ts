/**
 * Matrix product, variant "tiles": the classical scheme for graphics processors. A workgroup of 256
 * invocations computes a square tile; it stages slices of both operands in workgroup memory, read
 * from storage once with neighbouring invocations on neighbouring elements, and every invocation
 * keeps a small tile of sums in registers. Valid at the specification's default limits.
 *
 * @module
 */
import type { Dispatch, WebGPUContext } from "../../webgpu/lowering.ts";
import { affine, BindingTable, gridOf } from "../../webgpu/emit/wgsl.ts";
import type { MatmulStep, MatrixView } from "./step.ts";
import { matmulLabel, MatmulOutput } from "./wgsl_output.ts";

/** Invocations along each side of a workgroup. */
const side = 16;
const invocations = side * side;

/** Fewer workgroups than this leave parts of a large processor idle. */
const enoughGroups = 64;

/** Rows and columns of a workgroup's tile: as large as the matrices and the processor allow. */
function tileSize({ batch, m, n }: MatmulStep): number {
  const large = [128, 64].find((size) =>
    Math.min(m, n) > size / 2 &&
    batch * Math.ceil(m / size) * Math.ceil(n / size) >= enoughGroups
  );
  return large ?? 32;
}

/** Lowers a product to one dispatch. */
export function lowerTiles(step: MatmulStep, context: WebGPUContext): Dispatch[] {
  const { batch, m, n } = step;
  const size = tileSize(step);
  // The two slices take 8 KiB of workgroup memory for the larger tiles, 4 KiB for the smallest.
  const depth = size === 128 ? 8 : 16;
  const groups = batch * Math.ceil(m / size) * Math.ceil(n / size);
  const { workgroups, groupIndex } = gridOf(groups);
  const table = new BindingTable(context);
  const output = new MatmulOutput(step, 1);
  const body = tileBody(step, table, output, size, depth);
  const code = `${
    table.declarations(context.limits.maxStorageBuffersPerShaderStage)
  }${output.functions}
var<workgroup> tileA: array<f32, ${size * depth}>;
var<workgroup> tileB: array<f32, ${size * depth}>;
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
let groupNumber = ${groupIndex};
if (groupNumber >= ${groups}u) { return; }
${body}
}
`;
  return [{ label: matmulLabel(step), code, bindings: table.bindings, workgroups }];
}

function tileBody(
  step: MatmulStep,
  table: BindingTable,
  output: MatmulOutput,
  size: number,
  depth: number,
): string {
  const { m, n, k } = step;
  const columnTiles = Math.ceil(n / size);
  const tiles = Math.ceil(m / size) * columnTiles;
  const perLane = Array.from({ length: size / side }, (_, i) => i);
  const pairs = perLane.flatMap((r) => perLane.map((c) => [r, c] as const));
  const a = stage(table, step.a, "A", { lines: m, k, size, depth });
  // The transposed right operand: lines are columns of the product.
  const transposed = { ...step.b, rowStride: step.b.columnStride, columnStride: step.b.rowStride };
  const b = stage(table, transposed, "B", { lines: n, k, size, depth });
  const inner = Array.from(
    { length: depth },
    (_, d) =>
      `{
${perLane.map((r) => `let a${r} = tileA[${d * size + r * side}u + y];`).join("\n")}
${perLane.map((c) => `let b${c} = tileB[${d * size + c * side}u + x];`).join("\n")}
${pairs.map(([r, c]) => `sum${r}_${c} = fma(a${r}, b${c}, sum${r}_${c});`).join("\n")}
}`,
  ).join("\n");
  const stores = pairs.map(([r, c]) => {
    const element = `(batch * ${m}u + row + ${r * side}u) * ${n}u + column + ${c * side}u`;
    return `if (row + ${r * side}u < ${m}u && column + ${c * side}u < ${n}u) ${
      output.store(table, element, `sum${r}_${c}`)
    }`;
  }).join("\n");
  return `let batch = groupNumber / ${tiles}u;
let tile = groupNumber % ${tiles}u;
let firstA = (tile / ${columnTiles}u) * ${size}u;
let firstB = (tile % ${columnTiles}u) * ${size}u;
let x = lane % ${side}u;
let y = lane / ${side}u;
${pairs.map(([r, c]) => `var sum${r}_${c} = 0.0;`).join("\n")}
for (var start = 0u; start < ${k}u; start += ${depth}u) {
${a}
${b}
workgroupBarrier();
${inner}
workgroupBarrier();
}
let row = firstA + y;
let column = firstB + x;
${stores}`;
}

/** Copies a slice of an operand (rows are lines of the tile, columns run along k), zeros outside. */
function stage(
  table: BindingTable,
  view: MatrixView,
  name: "A" | "B",
  { lines, k, size, depth }: { lines: number; k: number; size: number; depth: number },
): string {
  const read = table.reader(view);
  const [line, along] = view.columnStride === 1
    ? [`element / ${depth}u`, `element % ${depth}u`]
    : [`element % ${size}u`, `element / ${size}u`];
  const address = affine(view.offset, ["batch", "line", "along"], [
    view.batchStride,
    view.rowStride,
    view.columnStride,
  ]);
  return `for (var element = lane; element < ${size * depth}u; element += ${invocations}u) {
let place = (${along}) * ${size}u + ${line};
let line = first${name} + ${line};
let along = start + ${along};
var value = 0.0;
if (line < ${lines}u && along < ${k}u) { value = ${read(address)}; }
tile${name}[place] = value;
}`;
}
