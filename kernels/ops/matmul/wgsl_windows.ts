/**
 * Matrix product, variant "windows", for adapters that compute on the processor.
 *
 * There a load from a uniform buffer costs a fraction of one from storage, and workgroup memory
 * costs most of all, as barriers split the kernel. So both operands are first packed into panels
 * that fit the 64 KiB window of a uniform binding, padded with zeros; then every dispatch multiplies
 * one panel by another, each invocation summing an 8 x 8 tile in registers. Products with a long
 * inner dimension are summed up in the output, one window after the other.
 *
 * Sizes and places reach the kernels through tables of numbers and the epilogue is a dispatch of its
 * own, so that products of many shapes share a few pipelines: compiling is slow on such adapters.
 *
 * @module
 */
import type { Binding, Dispatch, WebGPUContext } from "../../webgpu/lowering.ts";
import {
  BindingTable,
  linearKernel,
  type StorageElement,
  vectorType,
  type Width,
} from "../../webgpu/emit/wgsl.ts";
import type { MatmulStep, MatrixView } from "./step.ts";
import { finishApart, matmulLabel } from "./wgsl_output.ts";
import { packPanels } from "./wgsl_panels.ts";

/** Rows and columns of the tile of one invocation. */
const tile = 8;
/** Largest number of rows or columns of a panel: more would leave too little room along k. */
const widestPanel = 128;
/** Elements in a window: 64 KiB. */
const windowElements = 16384;
/** Invocations of a workgroup: several workgroups a dispatch keep several cores busy. */
const workgroupSize = 32;
/** Words of a dispatch's entry in the table of places: one aligned uniform window. */
const placeWords = 64;

/** How a product is cut into panels. */
interface Blocking {
  /** Rows of a panel of the left operand, a multiple of the tile. */
  readonly rows: number;
  /** Columns of a panel of the right operand. */
  readonly columns: number;
  /** Elements along k in a panel. */
  readonly depth: number;
  /** Most elements along k that a window can hold: the size of the declared arrays. */
  readonly deepest: number;
}

function blockingOf({ m, n, k }: MatmulStep): Blocking {
  const rows = evenParts(m, widestPanel, tile);
  const columns = evenParts(n, widestPanel, tile);
  const deepest = Math.floor(windowElements / Math.max(rows, columns) / 4) * 4;
  return { rows, columns, deepest, depth: evenParts(k, deepest, 4) };
}

/** The size, a multiple of `unit`, of as few equal parts as possible that are not above `most`. */
function evenParts(size: number, most: number, unit: number): number {
  const parts = Math.ceil(size / most);
  return Math.ceil(size / parts / unit) * unit;
}

/** Lowers a product: two dispatches that pack, one for each pair of panels, one for the epilogue. */
export function lowerWindows(step: MatmulStep, context: WebGPUContext): Dispatch[] {
  return finishApart(step, context, (plain) => products(plain, context));
}

function products(step: MatmulStep, context: WebGPUContext): Dispatch[] {
  const blocking = blockingOf(step);
  const { rows, columns, depth, deepest } = blocking;
  const transposed: MatrixView = {
    ...step.b,
    rowStride: step.b.columnStride,
    columnStride: step.b.rowStride,
  };
  const common = { k: step.k, depth, batch: step.batch, label: matmulLabel(step) };
  const left = { view: step.a, lines: step.m, panelLines: rows };
  const right = { view: transposed, lines: step.n, panelLines: columns };
  const a = packPanels({ ...left, ...common, windowBytes: 4 * rows * deepest }, context);
  const b = packPanels({ ...right, ...common, windowBytes: 4 * columns * deepest }, context);
  const places = placesOf(step, blocking);
  const table = context.constant(tableOf(places));
  const starting = productKernel(step, blocking, true);
  const continuing = productKernel(step, blocking, false);
  const dispatches = places.map((place, number): Dispatch => {
    const kernel = place.depthPanel === 0 ? starting : continuing;
    const windows: Binding[] = [
      a.window(place.batch, place.rowPanel, place.depthPanel),
      b.window(place.batch, place.columnPanel, place.depthPanel),
      { buffer: table, access: "uniform", offset: 4 * placeWords * number, size: 32 },
    ];
    return { ...kernel, label: matmulLabel(step), bindings: [...kernel.bindings, ...windows] };
  });
  return [a.dispatch, b.dispatch, ...dispatches];
}

/** Which panels a dispatch multiplies. */
interface Place {
  readonly batch: number;
  readonly rowPanel: number;
  readonly columnPanel: number;
  readonly depthPanel: number;
  /** Contents of its entry in the table: first element, rows, columns, and steps along k. */
  readonly words: readonly number[];
}

function placesOf({ batch, m, n, k, output }: MatmulStep, blocking: Blocking): Place[] {
  const { rows, columns, depth } = blocking;
  const depthPanels = Math.ceil(k / depth);
  const places: Place[] = [];
  for (let b = 0; b < batch; b++) {
    for (let rowPanel = 0; rowPanel * rows < m; rowPanel++) {
      for (let columnPanel = 0; columnPanel * columns < n; columnPanel++) {
        for (let depthPanel = 0; depthPanel < depthPanels; depthPanel++) {
          const row = rowPanel * rows;
          const column = columnPanel * columns;
          const steps = Math.min(depth, Math.ceil((k - depthPanel * depth) / 4) * 4);
          places.push({
            batch: b,
            rowPanel,
            columnPanel,
            depthPanel,
            words: [output.offset + (b * m + row) * n + column, m - row, n - column, steps, n],
          });
        }
      }
    }
  }
  return places;
}

function tableOf(places: readonly Place[]): Uint32Array {
  const table = new Uint32Array(placeWords * places.length);
  places.forEach(({ words }, number) => table.set(words, placeWords * number));
  return table;
}

type ProductKernel = Pick<Dispatch, "code" | "bindings" | "workgroups">;

/** The kernel for a pair of panels: it depends on their sizes, not on those of the product. */
function productKernel(
  { output, n }: MatmulStep,
  { rows, columns, deepest }: Blocking,
  first: boolean,
): ProductKernel {
  const width = n % 4 === 0 && output.offset % 4 === 0 ? 4 : 1;
  const table = new BindingTable();
  const target = table.use(output.buffer, "write", vectorType("f32", width) as StorageElement);
  const uniform = (binding: number, name: string, type: string): string =>
    `@group(0) @binding(${binding}) var<uniform> ${name}: ${type};\n`;
  const declarations = table.declarations() +
    uniform(1, "panelA", `array<vec4<f32>, ${rows * deepest / 4}>`) +
    uniform(2, "panelB", `array<vec4<f32>, ${columns * deepest / 4}>`) +
    uniform(3, "place", "array<vec4<u32>, 2>");
  const across = columns / tile;
  const body = `let row = (index / ${across}u) * ${tile}u;
let column = (index % ${across}u) * ${tile}u;
if (row >= place[0].y || column >= place[0].z) { return; }
let a = row / 4u;
let b = column / 4u;
${sums.map(([r, q]) => `var sum${r}_${q} = vec4<f32>();`).join("\n")}
for (var d = 0u; d < place[0].w; d += 2u) {
${multiply(0, rows, columns)}
${multiply(1, rows, columns)}
}
let rowsLeft = place[0].y - row;
let columnsLeft = place[0].z - column;
let corner = place[0].x + row * place[1].x + column;
${storeTile(target, width, first)}`;
  const kernel = linearKernel((rows / tile) * across, declarations, body, workgroupSize);
  return { ...kernel, bindings: table.bindings };
}

/** Rows and vectors of columns of a tile. */
const sums = Array.from({ length: tile * tile / 4 }, (_, i) => [i >> 1, i & 1] as const);

/** One step along k: two vectors of each operand, 64 multiply-adds. */
function multiply(step: number, rows: number, columns: number): string {
  const load = (panel: string, base: string, width: number, q: number): string =>
    `${panel}[(d + ${step}u) * ${width / 4}u + ${base} + ${q}u]`;
  const loads = [0, 1].map((q) =>
    `let a${q} = ${load("panelA", "a", rows, q)};
let b${q} = ${load("panelB", "b", columns, q)};`
  ).join("\n");
  const adds = sums.map(([r, q]) => `sum${r}_${q} += a${r >> 2}.${"xyzw"[r & 3]} * b${q};`);
  return `{\n${loads}\n${adds.join("\n")}\n}`;
}

/** Stores the tile, or adds it to what earlier windows along k have left. */
function storeTile(target: string, width: Width, first: boolean): string {
  return sums.flatMap(([r, q]) =>
    Array.from({ length: 4 / width }, (_, c) => {
      const column = 4 * q + c;
      const place = `${target}[(corner + ${r}u * place[1].x + ${column}u) / ${width}u]`;
      const sum = width === 4 ? `sum${r}_${q}` : `sum${r}_${q}.${"xyzw"[c]}`;
      return `if (${r}u < rowsLeft && ${column}u < columnsLeft) {
${place} ${first ? "=" : "+="} ${sum};
}`;
    })
  ).join("\n");
}
