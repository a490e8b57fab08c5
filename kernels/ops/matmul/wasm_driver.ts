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

/** Pushes the smaller of `limit` and `end - start` (unsigned). */
function pushClamped(f: FunctionBuilder, start: Local, end: Local | number, limit: number): void {
  f.withLocals(["i32"], (left) => {
    f.value(end).get(start).i32Sub().tee(left).i32Const(limit);
    f.get(left).i32Const(limit).i32LtU().select();
  });
}

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
    f.get(batchStart).set(this.#batch);
    f.forRange(this.#batch, batchEnd, 1, () => {
      f.get(columnStart).set(this.#column);
      f.forRange(this.#column, columnEnd, columnBlock, () => {
        pushClamped(f, this.#column, columnEnd, columnBlock);
        f.set(this.#columns).i32Const(0).set(this.#depth);
        f.forRange(this.#depth, k, depthBlock, () => {
          pushClamped(f, this.#depth, k, depthBlock);
          f.set(this.#depths);
          this.#prepareB();
          f.get(rowStart).set(this.#row);
          f.forRange(this.#row, rowEnd, rowBlock, () => {
            pushClamped(f, this.#row, rowEnd, rowBlock);
            f.set(this.#rows);
            this.#prepareA();
            this.#multiply();
            this.#finish();
          });
        });
      });
    });
  }

  /** Pushes the address of an element of an operand. */
  #pushElement(base: Local, layout: MatrixLayout, row: Local, column: Local): void {
    const { f } = this;
    f.get(base);
    const terms = [
      [this.#batch, layout.batchStride],
      [row, layout.rowStride],
      [column, layout.columnStride],
    ] as const;
    const bytes = elementBytes[layout.dtype];
    for (const [index, stride] of terms) f.get(index).i32Const(bytes * stride).i32Mul().i32Add();
  }

  #prepareB(): void {
    const { f, kernel } = this;
    const [scratch, , b] = f.parameters.slice(6);
    if (kernel.method === "prepared") {
      const columns = panelElements(kernel.n, 1, f.module.lanes);
      f.get(b).get(this.#depth).i32Const(4 * columns).i32Mul().i32Add();
      f.get(this.#column).get(this.#depths).i32Mul().i32Const(4).i32Mul().i32Add();
      f.set(this.#blockB);
      return;
    }
    this.#pushElement(b, kernel.b, this.#depth, this.#column);
    f.set(this.#blockB);
    if (readsInPlace(kernel)) return;
    const { rowStride, columnStride, dtype } = kernel.b;
    const byRows = columnStride === 1;
    const lineBytes = elementBytes[dtype] * (byRows ? rowStride : columnStride);
    f.get(this.#blockB).i32Const(lineBytes);
    f.get(scratch).i32Const(this.#place.b).i32Add().tee(this.#blockB);
    f.get(this.#depths).get(this.#columns);
    if (kernel.method === "dot") f.call(defineWidenColumns(f.module));
    else f.call(byRows ? definePackRows(f.module, dtype) : definePackColumns(f.module, dtype));
  }

  #prepareA(): void {
    const { f, kernel } = this;
    const [scratch, a] = f.parameters.slice(6);
    this.#pushElement(a, kernel.a, this.#row, this.#depth);
    f.set(this.#blockA);
    if (!packsA(kernel)) {
      f.i32Const(4 * kernel.a.rowStride).set(this.#rowBytesA);
      return;
    }
    f.i32Const(4 * Math.ceil(kernel.depthBlock / 4) * 4).set(this.#rowBytesA);
    f.get(this.#blockA).i32Const(4 * kernel.a.columnStride);
    f.get(scratch).tee(this.#blockA).get(this.#rowBytesA);
    f.get(this.#depths).get(this.#rows).call(definePackTransposed(f.module));
  }

  #multiply(): void {
    const { f, kernel } = this;
    const { n, k, b, method } = kernel;
    f.get(this.#blockA).get(this.#rowBytesA).get(this.#blockB);
    this.#pushProduct();
    f.get(this.#rows).get(this.#columns);
    if (method === "dot") {
      const columnBytes = readsInPlace(kernel) ? 4 * b.columnStride : widenedColumnBytes(k);
      f.get(f.parameters[6]).i32Const(this.#place.sums).i32Add();
      f.call(defineDotBlock(f.module, k, columnBytes));
      return;
    }
    const rowBytes = method === "direct" ? 4 * b.rowStride : undefined;
    f.get(this.#depths).get(this.#depth);
    f.call(defineBlock(f.module, { rowBytes, lastLanes: n % 4 }));
  }

  /** Pushes the address of the current block of the product and the distance of its rows. */
  #pushProduct(): void {
    const { f, kernel } = this;
    const { m, n, columnBlock, keepsOutput } = kernel;
    const [scratch, , , c] = f.parameters.slice(6);
    if (keepsOutput) {
      f.get(scratch).i32Const(this.#place.product).i32Add().i32Const(
        4 * columnBlock,
      );
      return;
    }
    const layout = { batchStride: m * n, rowStride: n, columnStride: 1, dtype: "f32" } as const;
    this.#pushElement(c, layout, this.#row, this.#column);
    f.i32Const(4 * n);
  }

  /** Pushes the address that element (0, 0) of the whole product would have. */
  #pushProductOrigin(firstRow: Local): void {
    const { f, kernel } = this;
    const [scratch, , , c] = f.parameters.slice(6);
    if (!kernel.keepsOutput) {
      f.get(c);
      return;
    }
    f.get(scratch).i32Const(this.#place.product).i32Add();
    f.get(firstRow).i32Const(kernel.columnBlock).i32Mul().get(this.#column).i32Add();
    f.i32Const(4).i32Mul().i32Sub();
  }

  /** Applies the epilogue after the last block of the depth. */
  #finish(): void {
    const { f, kernel: { epilogue, m, k } } = this;
    if (!epilogue) return;
    const name = elementwiseName(epilogue);
    const apply = f.module.define(name, (module) => emitElementwise(module, name, epilogue));
    const [c, ...extra] = f.parameters.slice(9);
    f.get(this.#depth).get(this.#depths).i32Add().i32Const(k).i32Eq().if(() => {
      f.withLocals(["i32"], (firstRow) => {
        f.get(this.#batch).i32Const(m).i32Mul().get(this.#row).i32Add().tee(firstRow);
        f.get(firstRow).get(this.#rows).i32Add();
        f.get(this.#column).get(this.#column).get(this.#columns).i32Add();
        this.#pushProductOrigin(firstRow);
      });
      for (const address of [...extra, c]) f.get(address);
      f.call(apply);
    });
  }
}
