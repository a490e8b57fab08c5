/**
 * Access to (N, T, H, D) tensors from WGSL, in groups of four columns.
 *
 * For each tensor, three functions hide its layout from the attention kernels:
 * `<name>Row(n, t, h)` is the address of a row, `<name>Load(row, d)` gives columns 4d .. 4d + 3
 * (zeros past D), and `<name>Store(row, d, x)` writes them. A buffer in which every row starts at a
 * multiple of four elements is bound as `vec4<f32>`, any other as `f32`. Several tensors may be
 * slices of one buffer, as queries, keys and values usually are.
 *
 * @module
 */
import type { View } from "../../view.ts";
import { affine, type BindingTable } from "../../webgpu/emit/wgsl.ts";

/** One tensor of a kernel. */
export interface HeadTensor {
  /** Starts the names of its WGSL functions. */
  readonly name: string;
  /** (N, T, H, D), innermost stride 1 (unless D is 1). */
  readonly view: View;
  readonly access: "read" | "write";
}

/** Groups of four columns of a head: D / 4, rounded up. */
export function columnGroups(view: View): number {
  return Math.ceil(view.shape[3] / 4);
}

/** Whether all rows start at multiples of four elements and consist of whole groups. */
export function isAligned({ shape, strides, offset }: View): boolean {
  return shape[3] % 4 === 0 && offset % 4 === 0 &&
    strides.every((stride, axis) => axis === 3 || shape[axis] === 1 || stride % 4 === 0);
}

/** Binds the tensors and gives their WGSL functions. */
export function headFunctions(table: BindingTable, tensors: readonly HeadTensor[]): string {
  return tensors.map((tensor) => {
    const neighbours = tensors.filter(({ view }) => view.buffer === tensor.view.buffer);
    return tensorFunctions(table, tensor, neighbours.every(({ view }) => isAligned(view)));
  }).join("");
}

function tensorFunctions(
  table: BindingTable,
  { name, view, access }: HeadTensor,
  aligned: boolean,
): string {
  const unit = aligned ? 4 : 1;
  // The stride of an axis of size 1 is arbitrary, but its coordinate is always 0.
  const strides = [0, 1, 2].map((axis) => view.shape[axis] === 1 ? 0 : view.strides[axis] / unit);
  const row = affine(view.offset / unit, ["n", "t", "h"], strides);
  const head = `fn ${name}Row(n: u32, t: u32, h: u32) -> u32 { return ${row}; }\n`;
  if (access === "read") {
    const read = table.reader(view, unit);
    const body = aligned ? `return ${read("row + d")};` : loadColumns(read, view.shape[3]);
    return `${head}fn ${name}Load(row: u32, d: u32) -> vec4<f32> { ${body} }\n`;
  }
  const write = table.writer(view, unit);
  const body = aligned ? write("row + d", "x") : storeColumns(write, view.shape[3]);
  return `${head}fn ${name}Store(row: u32, d: u32, x: vec4<f32>) { ${body} }\n`;
}

/** Four loads, of which the last group may lack some. */
function loadColumns(read: (address: string) => string, width: number): string {
  const vector = (columns: number): string =>
    `vec4<f32>(${
      [0, 1, 2, 3].map((c) => c < columns ? read(`row + 4u * d + ${c}u`) : "0.0").join(", ")
    })`;
  if (width % 4 === 0) return `return ${vector(4)};`;
  const last = `return ${vector(width % 4)};`;
  return width < 4 ? last : `if (d == ${Math.floor(width / 4)}u) { ${last} } return ${vector(4)};`;
}

function storeColumns(
  write: (address: string, value: string) => string,
  width: number,
): string {
  return [0, 1, 2, 3].map((c) => {
    const store = write(`row + 4u * d + ${c}u`, `x[${c}]`);
    return width % 4 === 0 ? store : `if (4u * d + ${c}u < ${width}u) { ${store} }`;
  }).join(" ");
}
