/**
 * Packing a matrix into panels, for the "windows" variant of the product.
 *
 * A panel holds some lines (rows of the left operand, columns of the right one) by some elements
 * along k, in the order `[along k][line]`, padded with zeros, so that a tile reads its lines as
 * vectors at constant distances. Panels lie one behind the other: batch, line panel, depth panel.
 *
 * @module
 */
import type { Binding, Dispatch, WebGPUContext } from "../../webgpu/lowering.ts";
import { BindingTable, gridOf } from "../../webgpu/emit/wgsl.ts";
import type { MatrixView } from "./step.ts";

/** What to pack. */
export interface PackRequest {
  /** Rows are the lines, columns run along k. */
  readonly view: MatrixView;
  readonly batch: number;
  readonly lines: number;
  readonly k: number;
  /** Lines of a panel, a multiple of 4. */
  readonly panelLines: number;
  /** Elements along k of a panel, a multiple of 4. */
  readonly depth: number;
  /** Bytes of the window through which panels are read, at least a panel. */
  readonly windowBytes: number;
  readonly label: string;
}

/** Panels in scratch memory. */
export interface PackedPanels {
  /** Fills the panels. */
  readonly dispatch: Dispatch;
  /** The uniform window that begins with a panel. */
  window(batch: number, linePanel: number, depthPanel: number): Binding;
}

/** Invocations of a workgroup. */
const workgroupSize = 64;

/** Packs a matrix: each invocation moves a block of 4 lines by 4 elements along k. */
export function packPanels(request: PackRequest, context: WebGPUContext): PackedPanels {
  const { view, lines, k, panelLines, depth, windowBytes } = request;
  const batches = view.batchStride === 0 ? 1 : request.batch;
  const linePanels = Math.ceil(lines / panelLines);
  const depthPanels = Math.ceil(k / depth);
  // Windows begin at multiples of 256 bytes.
  const panelBytes = Math.ceil(4 * panelLines * depth / 256) * 256;
  const panels = batches * linePanels * depthPanels;
  const scratch = context.scratch((panels - 1) * panelBytes + Math.max(panelBytes, windowBytes));
  const blocks = panels * (panelLines / 4) * (depth / 4);
  const { workgroups, groupIndex } = gridOf(Math.ceil(blocks / workgroupSize));
  const shape = context.constant(Uint32Array.of(
    ...[blocks, panelLines / 4, depth / 4, depthPanels],
    ...[linePanels, panelBytes / 16, lines, k],
    ...[view.offset, view.batchStride, view.rowStride, view.columnStride],
  ));
  const table = new BindingTable(context);
  const target = table.use(scratch, "write", "vec4<f32>");
  const code = packCode(table, view, lines, k, target, groupIndex);
  const dispatch: Dispatch = {
    label: `packing for ${request.label}`,
    code,
    bindings: [...table.bindings, { buffer: shape, access: "uniform", size: 48 }],
    workgroups,
  };
  const window = (batch: number, linePanel: number, depthPanel: number): Binding => {
    const group = (batches === 1 ? 0 : batch) * linePanels + linePanel;
    const offset = (group * depthPanels + depthPanel) * panelBytes;
    return { buffer: scratch, access: "uniform", offset, size: windowBytes };
  };
  return { dispatch, window };
}

/** The kernel; shapes come in `shape`, in the order of `packPanels`. */
function packCode(
  table: BindingTable,
  view: MatrixView,
  lines: number,
  k: number,
  target: string,
  groupIndex: string,
): string {
  const block = blockCode(table, view, lines, k);
  return `${table.declarations()}
@group(0) @binding(2) var<uniform> shape: array<vec4<u32>, 3>;
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
let index = ${groupIndex} * ${workgroupSize}u + lane;
if (index >= shape[0].x) { return; }
let perPanel = shape[0].y * shape[0].z;
let panel = index / perPanel;
let inPanel = index % perPanel;
let quad = inPanel % shape[0].y;
let deep = inPanel / shape[0].y;
let linePanel = panel / shape[0].w;
let line = ((linePanel % shape[1].x) * shape[0].y + quad) * 4u;
let along = ((panel % shape[0].w) * shape[0].z + deep) * 4u;
let base = shape[2].x + (linePanel / shape[1].x) * shape[2].y;
${block}
let place = panel * shape[1].y + deep * 4u * shape[0].y + quad;
${[0, 1, 2, 3].map((d) => `${target}[place + ${d}u * shape[0].y] = column${d};`).join("\n")}
}
`;
}

const four = [0, 1, 2, 3];

/** Statements that load a block: `column0` to `column3`, each 4 lines at one place along k. */
function blockCode(table: BindingTable, view: MatrixView, lines: number, k: number): string {
  const { offset, batchStride, rowStride, columnStride } = view;
  const aligned = (stride: number): boolean =>
    [offset, batchStride, stride].every((value) => value % 4 === 0);
  if (columnStride === 1 && k % 4 === 0 && aligned(rowStride)) {
    const read = table.reader(view, 4);
    const loads = four.map((r) =>
      `var row${r} = vec4<f32>();
if (line + ${r}u < shape[1].z && along < shape[1].w) {
row${r} = ${read(`(base + (line + ${r}u) * shape[2].z + along) / 4u`)};
}`
    );
    const columns = four.map((d) =>
      `let column${d} = vec4<f32>(${four.map((r) => `row${r}.${"xyzw"[d]}`).join(", ")});`
    );
    return [...loads, ...columns].join("\n");
  }
  if (rowStride === 1 && lines % 4 === 0 && aligned(columnStride)) {
    const read = table.reader(view, 4);
    return four.map((d) =>
      `var column${d} = vec4<f32>();
if (line < shape[1].z && along + ${d}u < shape[1].w) {
column${d} = ${read(`(base + line + (along + ${d}u) * shape[2].w) / 4u`)};
}`
    ).join("\n");
  }
  const read = table.reader(view);
  return four.map((d) =>
    `var column${d} = vec4<f32>();
for (var r = 0u; r < 4u; r++) {
if (line + r < shape[1].z && along + ${d}u < shape[1].w) {
column${d}[r] = ${read(`base + (line + r) * shape[2].z + (along + ${d}u) * shape[2].w`)};
}
}`
  ).join("\n");
}
