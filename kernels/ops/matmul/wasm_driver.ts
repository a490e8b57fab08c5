/**
 * The blocked matrix product: one generated function a product, which packs blocks of the operands
 * into the thread's scratch memory, multiplies them, and applies the epilogue to each block of the
 * result while it is in the cache.
 *
 * Blocks of b of `depthBlock` x `columnBlock` are packed once and meet all rows of a, `rowBlock` of
 * them at a time (packed too if a is given by columns). A b in half precision is widened while it is
 * packed; for dot products its columns are widened into the scratch memory first.
 *
 * @module
 */
import type { FunctionBuilder, Lanes, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import { elementBytes, type FloatType } from "../../shape.ts";
import { address, integer } from "../../wasm/emit/integers.ts";
import {
  assign,
  call,
  kept,
  type Operand,
  push,
  type Value,
  when,
} from "../../wasm/emit/values.ts";
import { type ElementwiseKernel, elementwiseName, emitElementwise } from "../elementwise/wasm.ts";
import { defineDotBlock, dotScratchBytes } from "./wasm_dot.ts";
import { defineBlock, panelElements } from "./wasm_micro.ts";
import {
  definePackColumns,
  definePackRows,
  definePackTransposed,
  defineWidenColumns,
  packingSlack,
  widenedColumnBytes,
} from "./wasm_pack.ts";

/** Strides of an operand in elements, one of row and column stride 1, and what its elements are. */
export interface MatrixLayout {
  readonly batchStride: number;
  readonly rowStride: number;
  readonly columnStride: number;
  readonly dtype: FloatType;
}

/**
 * How b is read: packed into panels, block by block; from panels that were packed before; directly
 * from its rows; or by dot products with its columns.
 */
export type Method = "packed" | "prepared" | "direct" | "dot";

/** What a product is specialised to. */
export interface MatmulKernel {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: MatrixLayout;
  readonly b: MatrixLayout;
  readonly method: Method;
  readonly rowBlock: number;
  readonly columnBlock: number;
  readonly depthBlock: number;
  /** Applied to finished blocks; operand 0 is the product, the last operand the output. */
  readonly epilogue?: ElementwiseKernel;
  /**
   * Blocks of the product are kept in scratch memory until the epilogue, since it still reads what
   * the output holds. Needs a depth in one block; operand 0 of the epilogue has rows of
   * `columnBlock` elements.
   */
  readonly keepsOutput: boolean;
}

/** Whether blocks of a must be transposed before use. */
export function packsA({ a }: { readonly a: MatrixLayout }): boolean {
  return a.columnStride !== 1;
}

/** Whether b is read where it lies; otherwise from blocks in scratch memory. */
function readsInPlace({ method, b }: MatmulKernel): boolean {
  return method === "prepared" || method !== "packed" && b.dtype === "f32";
}

/** Where the blocks lie in the scratch memory, in bytes from its start. */
export function scratchLayout(
  kernel: MatmulKernel,
  lanes: Lanes,
): Readonly<Record<"sums" | "b" | "product" | "end", number>> {
  const { rowBlock, columnBlock, depthBlock, keepsOutput, method } = kernel;
  const roundUp = (x: number, unit: number) => Math.ceil(x / unit) * unit;
  const bytesA = packsA(kernel) ? 4 * roundUp(rowBlock, 4) * roundUp(depthBlock, 4) : 0;
  const bytesB = readsInPlace(kernel)
    ? 0
    : 4 * panelElements(columnBlock, roundUp(depthBlock, 4), lanes);
  const sums = roundUp(bytesA + packingSlack, 64);
  const b = roundUp(sums + (method === "dot" ? dotScratchBytes : 0), 64);
  const product = roundUp(b + bytesB + packingSlack, 64);
  return { sums, b, product, end: product + (keepsOutput ? 4 * rowBlock * columnBlock : 0) };
}

/** The name of a product's function. */
export function matmulName(kernel: MatmulKernel): string {
  const { m, n, k, a, b, method, rowBlock, columnBlock, depthBlock } = kernel;
  const { epilogue, keepsOutput } = kernel;
  const layout = (x: MatrixLayout) =>
    `${x.batchStride}.${x.rowStride}.${x.columnStride}${x.dtype === "f16" ? ".f16" : ""}`;
  const blocks = `${rowBlock}.${columnBlock}.${depthBlock}`;
  const suffix = epilogue ? `_${keepsOutput ? "kept_" : ""}${elementwiseName(epilogue)}` : "";
  return `matmul_${method}_${m}x${n}x${k}_${layout(a)}_${layout(b)}_${blocks}${suffix}`;
}

/**
 * Emits `(batchStart, End, rowStart, End, columnStart, End, scratch, a, b, c, ...epilogue inputs)`:
 * a box of the result, with the addresses of the operands' first elements.
 */
export function emitMatmul(
  module: ModuleBuilder,
  name: string,
  kernel: MatmulKernel,
): FunctionBuilder {
  const extra = kernel.epilogue ? kernel.epilogue.nest.strides.length - 2 : 0;
  const f = module.function(name, new Array(10 + extra).fill("i32"), []);
  new Driver(f, kernel).emit();
  return f;
}

/** The smaller of `limit` and `end - start` (unsigned). */
const clamped = (start: Local, end: Local | number, limit: number): Value => (f) => {
  f.withLocals(["i32"], (left) => {
    const rest = kept(left, integer.subtract(end, start));
    push(f, integer.select(integer.less(left, limit), rest, limit));
  });
};

class Driver {
  readonly #batch: Local;
  readonly #row: Local;
  readonly #column: Local;
  readonly #depth: Local;
  /** Sizes of the current block. */
  readonly #rows: Local;
  readonly #columns: Local;
  readonly #depths: Local;
  /** Address and distance of rows of the current block of a. */
  readonly #blockA: Local;
  readonly #rowBytesA: Local;
  readonly #blockB: Local;
  /** Where blocks lie in the scratch memory. */
  readonly #place;

  constructor(readonly f: FunctionBuilder, readonly kernel: MatmulKernel) {
    this.#place = scratchLayout(kernel, f.module.lanes);
    [
      this.#batch,
      this.#row,
      this.#column,
      this.#depth,
      this.#rows,
      this.#columns,
      this.#depths,
      this.#blockA,
      this.#rowBytesA,
      this.#blockB,
    ] = f.locals("i32", 10);
  }

  emit(): void {
    const { f, kernel } = this;
    const { rowBlock, columnBlock, depthBlock, k } = kernel;
    const [batchStart, batchEnd, rowStart, rowEnd, columnStart, columnEnd] = f.parameters;
    assign(f, this.#batch, batchStart);
    f.forRange(this.#batch, batchEnd, 1, () => {
      assign(f, this.#column, columnStart);
      f.forRange(this.#column, columnEnd, columnBlock, () => {
        assign(f, this.#columns, clamped(this.#column, columnEnd, columnBlock));
        assign(f, this.#depth, 0);
        f.forRange(this.#depth, k, depthBlock, () => {
          assign(f, this.#depths, clamped(this.#depth, k, depthBlock));
          this.#prepareB();
          assign(f, this.#row, rowStart);
          f.forRange(this.#row, rowEnd, rowBlock, () => {
            assign(f, this.#rows, clamped(this.#row, rowEnd, rowBlock));
            this.#prepareA();
            this.#multiply();
            this.#finish();
          });
        });
      });
    });
  }

  /** The address of an element of an operand. */
  #element(base: Local, layout: MatrixLayout, row: Local, column: Local): Operand {
    const bytes = elementBytes[layout.dtype];
    return address(
      base,
      [this.#batch, bytes * layout.batchStride],
      [row, bytes * layout.rowStride],
      [column, bytes * layout.columnStride],
    );
  }

  #prepareB(): void {
    const { f, kernel } = this;
    const [scratch, , b] = f.parameters.slice(6);
    if (kernel.method === "prepared") {
      const columns = panelElements(kernel.n, 1, f.module.lanes);
      const before = integer.multiply(this.#column, this.#depths);
      assign(f, this.#blockB, address(b, [this.#depth, 4 * columns], [before, 4]));
      return;
    }
    assign(f, this.#blockB, this.#element(b, kernel.b, this.#depth, this.#column));
    if (readsInPlace(kernel)) return;
    const { rowStride, columnStride, dtype } = kernel.b;
    const byRows = columnStride === 1;
    const lineBytes = elementBytes[dtype] * (byRows ? rowStride : columnStride);
    const pack = kernel.method === "dot"
      ? defineWidenColumns(f.module)
      : byRows
      ? definePackRows(f.module, dtype)
      : definePackColumns(f.module, dtype);
    const target = kept(this.#blockB, integer.add(scratch, this.#place.b));
    call(f, pack, this.#blockB, lineBytes, target, this.#depths, this.#columns);
  }

  #prepareA(): void {
    const { f, kernel } = this;
    const [scratch, a] = f.parameters.slice(6);
    assign(f, this.#blockA, this.#element(a, kernel.a, this.#row, this.#depth));
    if (!packsA(kernel)) {
      assign(f, this.#rowBytesA, 4 * kernel.a.rowStride);
      return;
    }
    assign(f, this.#rowBytesA, 4 * Math.ceil(kernel.depthBlock / 4) * 4);
    call(
      f,
      definePackTransposed(f.module),
      this.#blockA,
      4 * kernel.a.columnStride,
      kept(this.#blockA, scratch),
      this.#rowBytesA,
      this.#depths,
      this.#rows,
    );
  }

  #multiply(): void {
    const { f, kernel } = this;
    const { n, k, b, method } = kernel;
    const scratch = f.parameters[6];
    const block = [this.#blockA, this.#rowBytesA, this.#blockB, ...this.#product()] as const;
    const sizes = [this.#rows, this.#columns] as const;
    if (method === "dot") {
      const columnBytes = readsInPlace(kernel) ? 4 * b.columnStride : widenedColumnBytes(k);
      const sums = integer.add(scratch, this.#place.sums);
      call(f, defineDotBlock(f.module, k, columnBytes), ...block, ...sizes, sums);
      return;
    }
    const rowBytes = method === "direct" ? 4 * b.rowStride : undefined;
    const product = defineBlock(f.module, { rowBytes, lastLanes: n % 4 });
    call(f, product, ...block, ...sizes, this.#depths, this.#depth);
  }

  /** The address of the current block of the product and the distance of its rows. */
  #product(): [address: Operand, rowBytes: number] {
    const { f, kernel } = this;
    const { m, n, columnBlock, keepsOutput } = kernel;
    const [scratch, , , c] = f.parameters.slice(6);
    if (keepsOutput) return [integer.add(scratch, this.#place.product), 4 * columnBlock];
    const layout = { batchStride: m * n, rowStride: n, columnStride: 1, dtype: "f32" } as const;
    return [this.#element(c, layout, this.#row, this.#column), 4 * n];
  }

  /** The address that element (0, 0) of the whole product would have. */
  #productOrigin(firstRow: Local): Operand {
    const { f, kernel } = this;
    const [scratch, , , c] = f.parameters.slice(6);
    if (!kernel.keepsOutput) return c;
    const before = integer.add(integer.multiply(firstRow, kernel.columnBlock), this.#column);
    return integer.subtract(
      integer.add(scratch, this.#place.product),
      integer.multiply(before, 4),
    );
  }

  /** Applies the epilogue after the last block of the depth. */
  #finish(): void {
    const { f, kernel: { epilogue, m, k } } = this;
    if (!epilogue) return;
    const name = elementwiseName(epilogue);
    const apply = f.module.define(name, (module) => emitElementwise(module, name, epilogue));
    const [c, ...extra] = f.parameters.slice(9);
    when(f, integer.equal(integer.add(this.#depth, this.#depths), k), () => {
      f.withLocals(["i32"], (firstRow) => {
        const start = integer.add(integer.multiply(this.#batch, m), this.#row);
        const rows = [kept(firstRow, start), integer.add(firstRow, this.#rows)] as const;
        const columns = [this.#column, integer.add(this.#column, this.#columns)] as const;
        call(f, apply, ...rows, ...columns, this.#productOrigin(firstRow), ...extra, c);
      });
    });
  }
}
