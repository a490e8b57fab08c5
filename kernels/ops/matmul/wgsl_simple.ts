/**
 * Matrix product, variant "simple": every invocation computes a tile of a few rows by four columns,
 * straight from storage. Right for tiny products, and for thin ones that read a large operand once.
 *
 * @module
 */
import type { Dispatch, WebGPUContext } from "../../webgpu/lowering.ts";
import { affine, BindingTable, linearKernel } from "../../webgpu/emit/wgsl.ts";
import type { MatmulStep, MatrixView } from "./step.ts";
import { isShared, matmulLabel, MatmulOutput } from "./wgsl_output.ts";

/** Columns of a tile. */
const tileColumns = 4;

/** How one operand is fetched: along k or along the tile by vectors, or element by element. */
type Fetch = "alongDepth" | "alongTile" | "elements";

/** Lowers a product to one dispatch. */
export function lowerSimple(step: MatmulStep, context: WebGPUContext): Dispatch[] {
  const { batch, m, n, k } = step;
  const tileRows = m <= 8 ? m : 4;
  const fetchA = fetchOf(step, step.a, { tile: m, along: step.a.rowStride, tileSize: tileRows });
  const fetchB = fetchOf(step, step.b, { tile: n, along: step.b.columnStride, tileSize: 4 });
  const depth = fetchA === "alongDepth" || fetchB === "alongDepth" ? 4 : 1;
  const table = new BindingTable(context);
  const a = operandCode(table, step.a, "a", fetchA, depth, tileRows, m);
  const b = operandCode(table, flipped(step.b), "b", fetchB, depth, tileColumns, n);
  const output = new MatmulOutput(step, isShared(step) ? 1 : 4);
  const rowTiles = Math.ceil(m / tileRows);
  const columnTiles = Math.ceil(n / tileColumns);
  const rows = Array.from({ length: tileRows }, (_, r) => r);
  const products = Array.from({ length: depth }, (_, d) => {
    const vector = b.vector(d);
    return rows.map((r) => `sum${r} += ${a.element(r, d)} * ${vector};`).join("\n");
  }).join("\n");
  const body = `let batch = index / ${rowTiles * columnTiles}u;
let tile = index % ${rowTiles * columnTiles}u;
let aTile = (tile / ${columnTiles}u) * ${tileRows}u;
let bTile = (tile % ${columnTiles}u) * ${tileColumns}u;
${a.bases}
${b.bases}
${rows.map((r) => `var sum${r} = vec4<f32>();`).join("\n")}
for (var d = 0u; d < ${k}u; d += ${depth}u) {
${a.loads}
${b.loads}
${products}
}
${rows.map((r) => storeRow(step, output, table, r)).join("\n")}`;
  const declarations = table.declarations(context.limits.maxStorageBuffersPerShaderStage) +
    output.functions;
  const kernel = linearKernel(batch * rowTiles * columnTiles, declarations, body);
  return [{ label: matmulLabel(step), bindings: table.bindings, ...kernel }];
}

/** The transposed matrix: then both operands have tiles of rows and run along k in columns. */
function flipped(view: MatrixView): MatrixView {
  return { ...view, rowStride: view.columnStride, columnStride: view.rowStride };
}

function fetchOf(
  step: MatmulStep,
  view: MatrixView,
  { tile, along, tileSize }: { tile: number; along: number; tileSize: number },
): Fetch {
  const strides = [view.rowStride, view.columnStride].filter((stride) => stride !== 1);
  const aligned = !isShared(step) && strides.length === 1 &&
    [view.offset, view.batchStride, ...strides].every((value) => value % 4 === 0);
  if (!aligned) return "elements";
  if (along === 1) return tile % 4 === 0 && tileSize % 4 === 0 ? "alongTile" : "elements";
  return step.k % 4 === 0 ? "alongDepth" : "elements";
}

/** WGSL that brings one operand's share of a step along k into registers. */
interface OperandCode {
  /** Statements before the loop. */
  readonly bases: string;
  /** Statements inside the loop, which counts `d`. */
  readonly loads: string;
  /** Scalar at place `r` of the tile, `d` steps along k. */
  element(r: number, d: number): string;
  /** The four places of a tile, `d` steps along k. */
  vector(d: number): string;
}

/** @param view rows run along the tile, columns along k */
function operandCode(
  table: BindingTable,
  view: MatrixView,
  name: string,
  fetch: Fetch,
  depth: number,
  tileSize: number,
  size: number,
): OperandCode {
  const unit = fetch === "elements" ? 1 : 4;
  const read = table.reader(view, unit);
  const scaled = (stride: number): number => stride === 1 && unit === 4 ? 1 : stride / unit;
  const places = fetch === "alongTile" ? tileSize / 4 : tileSize;
  const ragged = size % tileSize !== 0;
  const bases = Array.from({ length: places }, (_, r) => {
    const place = fetch === "alongTile"
      ? `(${name}Tile / 4u + ${r}u)`
      : ragged
      ? `min(${name}Tile + ${r}u, ${size - 1}u)`
      : `(${name}Tile + ${r}u)`;
    const address = affine(view.offset / unit, ["batch", place], [
      view.batchStride / unit,
      scaled(view.rowStride),
    ]);
    return `let ${name}Base${r} = ${address};`;
  });
  const steps = fetch === "alongDepth" ? 1 : depth;
  const loads = Array.from({ length: places * steps }, (_, i) => {
    const r = Math.floor(i / steps);
    const d = i % steps;
    const along = fetch === "alongDepth" ? "d / 4u" : d > 0 ? `(d + ${d}u)` : "d";
    const address = affine(0, [`${name}Base${r}`, along], [1, scaled(view.columnStride)]);
    return `let ${name}${r}_${d} = ${read(address)};`;
  });
  const element = (r: number, d: number): string =>
    fetch === "alongDepth"
      ? `${name}${r}_0.${"xyzw"[d]}`
      : fetch === "alongTile"
      ? `${name}${r >> 2}_${d}.${"xyzw"[r & 3]}`
      : `${name}${r}_${d}`;
  const vector = (d: number): string =>
    fetch === "alongTile"
      ? `${name}0_${d}`
      : `vec4<f32>(${[0, 1, 2, 3].map((r) => element(r, d)).join(", ")})`;
  return { bases: bases.join("\n"), loads: loads.join("\n"), element, vector };
}

function storeRow(
  { m, n }: MatmulStep,
  output: MatmulOutput,
  table: BindingTable,
  r: number,
): string {
  const element = (column: number): string =>
    `(batch * ${m}u + aTile + ${r}u) * ${n}u + bTile + ${column}u`;
  const stores = output.width === 4
    ? output.store(table, element(0), `sum${r}`)
    : [0, 1, 2, 3].map((c) =>
      `if (bTile + ${c}u < ${n}u) ${output.store(table, element(c), `sum${r}.${"xyzw"[c]}`)}`
    ).join("\n");
  return `if (aTile + ${r}u < ${m}u) {\n${stores}\n}`;
}
