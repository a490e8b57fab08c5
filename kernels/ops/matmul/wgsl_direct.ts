/**
 * Matrix product, variant "direct", for adapters that compute on the processor.
 *
 * Each invocation sums a large tile in registers and reads both operands straight from storage: 32
 * numbers for 256 multiply-adds. So nothing is packed, a product is a single dispatch however large
 * it is, and the processor's caches do what workgroup memory does on a GPU. Neighbouring invocations
 * take tiles below each other and so share their columns of the right operand.
 *
 * Sizes reach the kernel through a table of numbers and the epilogue is a dispatch of its own, so
 * that products of all shapes share a few pipelines, one for each pair of layouts: compiling is slow
 * on such adapters. Operands must be aligned for loads of four; others take the variant "windows".
 *
 * @module
 */
import type { Dispatch, WebGPUContext } from "../../webgpu/lowering.ts";
import { BindingTable, gridOf } from "../../webgpu/emit/wgsl.ts";
import type { MatmulStep, MatrixView } from "./step.ts";
import { finishApart, isShared, matmulLabel } from "./wgsl_output.ts";
import { lowerWindows } from "./wgsl_windows.ts";

/** Columns of the tile of one invocation. */
const tileColumns = 16;
/** Rows of a tile: half as many where the product has no more. */
const tileRows = (m: number): number => m <= 8 ? 8 : 16;
/** Invocations of a workgroup: one vector of the processor, so that all cores get work. */
const workgroupSize = 8;
/** Row tiles that are walked through before the next columns: their rows stay in the cache. */
const rowTilesTogether = 8;

/** Whether the elements of four steps along k, or of four lines, lie side by side. */
type Layout = "alongDepth" | "alongLines";

/** Lowers a product: one dispatch, and another for the epilogue. */
export function lowerDirect(step: MatmulStep, context: WebGPUContext): Dispatch[] {
  const { m, n, k, output } = step;
  const a = layoutOf(step.a, m, k);
  const b = layoutOf(transposed(step.b), n, k);
  const aligned = k % 4 === 0 && n % 4 === 0 && output.offset % 4 === 0;
  if (!a || !b || !aligned || isShared(step)) return lowerWindows(step, context);
  return finishApart(step, context, (plain) => [product(plain, a, b, context)]);
}

/** The transposed matrix: then the lines of both operands are rows, and k runs along columns. */
function transposed(view: MatrixView): MatrixView {
  return { ...view, rowStride: view.columnStride, columnStride: view.rowStride };
}

/** The layout of an operand whose rows are its lines; `undefined` where loads of four do not fit. */
function layoutOf(view: MatrixView, lines: number, k: number): Layout | undefined {
  const { offset, batchStride, rowStride, columnStride } = view;
  const fits = (stride: number): boolean =>
    [offset, batchStride, stride].every((value) => value % 4 === 0);
  if (columnStride === 1 && k % 4 === 0 && fits(rowStride)) return "alongDepth";
  return rowStride === 1 && lines % 4 === 0 && fits(columnStride) ? "alongLines" : undefined;
}

function product(step: MatmulStep, a: Layout, b: Layout, context: WebGPUContext): Dispatch {
  const { batch, m, n, k, output } = step;
  const rows = tileRows(m);
  const rowTiles = Math.ceil(m / rows);
  const columnTiles = Math.ceil(n / tileColumns);
  const tiles = batch * rowTiles * columnTiles;
  const { workgroups, groupIndex } = gridOf(Math.ceil(tiles / workgroupSize));
  const table = new BindingTable(context);
  const kernel = {
    target: table.use(output.buffer, "write", "vec4<f32>"),
    a: operandCode("left", table.reader(step.a, 4), a, rows, 1),
    b: operandCode("right", table.reader(step.b, 4), b, tileColumns, 2),
    rows,
    groupIndex,
  };
  const sizes = context.constant(Uint32Array.of(
    ...[tiles, rowTiles, columnTiles, output.offset / 4],
    ...operandWords(step.a, a, m),
    ...operandWords(transposed(step.b), b, n),
    ...[m, n / 4, k / 4, 0],
  ));
  return {
    label: matmulLabel(step),
    code: kernelCode(table, kernel),
    bindings: [...table.bindings, { buffer: sizes, access: "uniform", size: 64 }],
    workgroups,
  };
}

/** Entries of the table for an operand: first element, distances of batches and of lines or steps,
 * all in vectors, and the number of its last line, or of its last four lines. */
function operandWords(view: MatrixView, layout: Layout, lines: number): number[] {
  const stride = layout === "alongDepth" ? view.rowStride : view.columnStride;
  const last = layout === "alongDepth" ? lines - 1 : lines / 4 - 1;
  return [view.offset / 4, view.batchStride / 4, stride / 4, last];
}

const four = [0, 1, 2, 3];
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** WGSL that brings four steps along k of one operand's share of a tile into registers. */
interface OperandCode {
  /** Statements before the loop: addresses. Lines beyond the last one repeat it. */
  readonly addresses: string;
  /** Statements in the loop for some four lines. */
  loads(quad: number): string;
  /** The number at a line, some steps along k. */
  element(line: number, depth: number): string;
  /** The numbers of four lines. */
  vector(quad: number, depth: number): string;
}

/**
 * @param read WGSL that reads a vector at an address
 * @param lines of the operand in a tile
 * @param entry which vector of the table is the operand's
 */
function operandCode(
  name: "left" | "right",
  read: (address: string) => string,
  layout: Layout,
  lines: number,
  entry: number,
): OperandCode {
  const first = `let ${name}Start = sizes[${entry}].x + batch * sizes[${entry}].y;
let ${name}Stride = sizes[${entry}].z;`;
  const line = name === "left" ? "row" : "column";
  if (layout === "alongDepth") {
    const address = (r: number): string =>
      `let ${name}At${r} = ${name}Start + ` +
      `min(${line} + ${r}u, sizes[${entry}].w) * ${name}Stride;`;
    const element = (r: number, d: number): string => `${name}${r}.${"xyzw"[d]}`;
    return {
      addresses: [first, ...upTo(lines).map(address)].join("\n"),
      loads: (q) =>
        four.map((i) => `let ${name}${4 * q + i} = ${read(`${name}At${4 * q + i} + d`)};`).join(
          "\n",
        ),
      element,
      vector: (q, d) => `vec4<f32>(${four.map((i) => element(4 * q + i, d)).join(", ")})`,
    };
  }
  const address = (q: number): string =>
    `let ${name}At${q} = ${name}Start + min(${line} / 4u + ${q}u, sizes[${entry}].w);`;
  return {
    addresses: [first, ...upTo(lines / 4).map(address)].join("\n"),
    loads: (q) =>
      four.map((d) =>
        `let ${name}${q}_${d} = ${read(`${name}At${q} + (4u * d + ${d}u) * ${name}Stride`)};`
      ).join("\n"),
    element: (r, d) => `${name}${r >> 2}_${d}.${"xyzw"[r & 3]}`,
    vector: (q, d) => `${name}${q}_${d}`,
  };
}

interface Kernel {
  readonly target: string;
  readonly a: OperandCode;
  readonly b: OperandCode;
  /** Rows of a tile. */
  readonly rows: number;
  readonly groupIndex: string;
}

function kernelCode(table: BindingTable, { target, a, b, rows, groupIndex }: Kernel): string {
  const binding = table.bindings.length;
  const columnQuads = upTo(tileColumns / 4);
  const sums = upTo(rows).flatMap((r) => columnQuads.map((q) => [r, q] as const));
  const multiply = columnQuads.map((q) =>
    `{
${b.loads(q)}
${
      four.map((d) =>
        `{ let v = ${b.vector(q, d)};
${upTo(rows).map((r) => `sum${r}_${q} += ${a.element(r, d)} * v;`).join("\n")} }`
      ).join("\n")
    }
}`
  ).join("\n");
  const stores = sums.map(([r, q]) =>
    `if (row + ${r}u < sizes[3].x && column / 4u + ${q}u < sizes[3].y) {
${target}[corner + ${r}u * sizes[3].y + ${q}u] = sum${r}_${q};
}`
  ).join("\n");
  return `${table.declarations()}
@group(0) @binding(${binding}) var<uniform> sizes: array<vec4<u32>, 4>;
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
let index = ${groupIndex} * ${workgroupSize}u + lane;
if (index >= sizes[0].x) { return; }
let perBatch = sizes[0].y * sizes[0].z;
let batch = index / perBatch;
let perBand = ${rowTilesTogether}u * sizes[0].z;
let band = (index % perBatch) / perBand;
let inBand = (index % perBatch) % perBand;
let tall = min(${rowTilesTogether}u, sizes[0].y - band * ${rowTilesTogether}u);
let row = (band * ${rowTilesTogether}u + inBand % tall) * ${rows}u;
let column = (inBand / tall) * ${tileColumns}u;
${a.addresses}
${b.addresses}
${sums.map(([r, q]) => `var sum${r}_${q} = vec4<f32>();`).join("\n")}
for (var d = 0u; d < sizes[3].z; d++) {
${upTo(rows / 4).map((q) => a.loads(q)).join("\n")}
${multiply}
}
let corner = sizes[0].w + (batch * sizes[3].x + row) * sizes[3].y + column / 4u;
${stores}
}
`;
}
