/**
 * Packing of operands into the order in which the tiles read them. Everything moves as blocks of
 * four by four elements (transposed in registers where needed), and in pieces that fill whole cache
 * lines on both sides. Reads may run up to three elements past a row: those lanes are never used.
 * What is stored in half precision is widened on the way.
 *
 * @module
 */
import { elementBytes, type FloatType } from "../../shape.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/assembler.ts";
import { defineWiden, loadFloats } from "../../wasm/half.ts";

/** Space that packing may write beyond the packed data, in bytes. */
export const packingSlack = 256;

/** Transposes the 4 x 4 block whose rows are in four locals. */
function transpose(f: FunctionBuilder, rows: readonly Local[]): void {
  f.withLocals(["v128", "v128", "v128", "v128"], (t0, t1, t2, t3) => {
    const [r0, r1, r2, r3] = rows;
    f.get(r0).get(r1).i32x4Shuffle([0, 4, 1, 5]).set(t0);
    f.get(r0).get(r1).i32x4Shuffle([2, 6, 3, 7]).set(t1);
    f.get(r2).get(r3).i32x4Shuffle([0, 4, 1, 5]).set(t2);
    f.get(r2).get(r3).i32x4Shuffle([2, 6, 3, 7]).set(t3);
    f.get(t0).get(t2).i32x4Shuffle([0, 1, 4, 5]).set(r0);
    f.get(t0).get(t2).i32x4Shuffle([2, 3, 6, 7]).set(r1);
    f.get(t1).get(t3).i32x4Shuffle([0, 1, 4, 5]).set(r2);
    f.get(t1).get(t3).i32x4Shuffle([2, 3, 6, 7]).set(r3);
  });
}

/** `pointers[i] = base + min(first + i, count - 1) * bytes`: never past the last row. */
function setClampedRows(
  f: FunctionBuilder,
  pointers: readonly Local[],
  base: Local,
  first: Local,
  count: Local,
  bytes: Local,
): void {
  f.withLocals(["i32", "i32"], (row, lastRow) => {
    f.get(count).i32Const(1).i32Sub().set(lastRow);
    pointers.forEach((pointer, i) => {
      f.get(first).i32Const(i).i32Add().tee(row).get(lastRow);
      f.get(row).get(lastRow).i32LtU().select().get(bytes).i32Mul().get(base).i32Add().set(pointer);
    });
  });
}

/**
 * Emits `(source, rowBytes, target, depth, columns)`: b given by rows of columns (depth x columns)
 * into panels of four columns.
 */
export function definePackRows(
  module: ModuleBuilder,
  storage: FloatType = "f32",
): FunctionBuilder {
  return module.define(`pack_rows_${storage}`, (_, name) => {
    const f = module.function(name, new Array(5).fill("i32"), []);
    const [source, rowBytes, target, depth, columns] = f.parameters;
    const [strip, left, first, row, panel, k] = f.locals("i32", 6);
    const panelBytes = f.local("i32");
    f.get(depth).i32Const(4).i32Shl().set(panelBytes);
    // Strips of 64 columns: a strip of four rows fits the first-level cache on both sides.
    f.forRange(strip, columns, 64, () => {
      f.get(source).set(first).i32Const(0).set(k);
      const rows = (count: number) => {
        f.get(columns).get(strip).i32Sub().tee(left).i32Const(64);
        f.get(left).i32Const(64).i32LtU().select().set(left);
        f.get(first).set(row).get(target).get(k).i32Const(4).i32Shl().i32Add().set(panel);
        copyRows(f, { storage, row, rowBytes, panel, panelBytes, left }, count);
        f.get(first).get(rowBytes).i32Const(count).i32Mul().i32Add().set(first);
      };
      f.withLocals(["i32"], (end) => {
        f.get(depth).i32Const(-4).i32And().set(end);
        f.forRange(k, end, 4, () => rows(4));
        f.forRange(k, depth, 1, () => rows(1));
      });
      f.increment(source, 64 * elementBytes[storage]);
      f.get(target).get(panelBytes).i32Const(4).i32Shl().i32Add().set(target);
    });
    return f;
  });
}

interface RowCopy {
  readonly storage: FloatType;
  readonly row: Local;
  readonly rowBytes: Local;
  readonly panel: Local;
  readonly panelBytes: Local;
  /** Columns that are left, not more than 64; counted down. */
  readonly left: Local;
}

/** Copies `count` rows of `left` columns into their panels. */
function copyRows(f: FunctionBuilder, copy: RowCopy, count: number): void {
  const { storage, row, rowBytes, panel, panelBytes, left } = copy;
  f.get(left).i32Const(3).i32Add().i32Const(2).i32ShrU().set(left);
  f.repeat(left, () => {
    f.withLocals(["i32"], (element) => {
      f.get(row).set(element);
      for (let i = 0; i < count; i++) {
        f.get(panel).get(element);
        loadFloats(f, storage);
        f.v128Store(16 * i);
        if (i < count - 1) f.get(element).get(rowBytes).i32Add().set(element);
      }
    });
    f.get(panel).get(panelBytes).i32Add().set(panel);
    f.increment(row, 4 * elementBytes[storage]);
  });
}

/**
 * Emits `(source, rowBytes, target, depth, columns)`: b given by its columns (columns x depth), as
 * weights are stored, into panels of four columns.
 */
export function definePackColumns(
  module: ModuleBuilder,
  storage: FloatType = "f32",
): FunctionBuilder {
  return module.define(`pack_columns_${storage}`, (_, name) => {
    const f = module.function(name, new Array(5).fill("i32"), []);
    const [source, rowBytes, target, depth, columns] = f.parameters;
    const [column, k] = f.locals("i32", 2);
    const pointers = f.locals("i32", 4);
    const block = f.locals("v128", 4);
    f.forRange(column, columns, 4, () => {
      setClampedRows(f, pointers, source, column, columns, rowBytes);
      f.withLocals(["i32"], (output) => {
        f.get(target).set(output).i32Const(0).set(k);
        // The last turn may write into the next panel, which is filled later.
        f.forRange(k, depth, 4, () => {
          pointers.forEach((pointer, i) => {
            f.get(pointer);
            loadFloats(f, storage);
            f.set(block[i]);
          });
          transpose(f, block);
          block.forEach((vector, i) => f.get(output).get(vector).v128Store(16 * i));
          for (const pointer of pointers) f.increment(pointer, 4 * elementBytes[storage]);
          f.increment(output, 64);
        });
      });
      f.get(target).get(depth).i32Const(4).i32Shl().i32Add().set(target);
    });
    return f;
  });
}

/** Distance of widened columns of a depth: whole vectors. */
export function widenedColumnBytes(depth: number): number {
  return 16 * Math.ceil(depth / 4);
}

/**
 * Emits `(source, columnBytes, target, depth, columns)`: b in half precision, given by its columns,
 * into columns in single precision, a multiple of four elements apart.
 */
export function defineWidenColumns(module: ModuleBuilder): FunctionBuilder {
  return module.define("widen_columns", (_, name) => {
    const f = module.function(name, new Array(5).fill("i32"), []);
    const [source, columnBytes, target, depth, columns] = f.parameters;
    const vectors = f.local("i32");
    f.get(depth).i32Const(3).i32Add().i32Const(2).i32ShrU().set(vectors);
    f.repeat(columns, () => {
      f.get(source).get(target).get(vectors).call(defineWiden(module));
      f.get(source).get(columnBytes).i32Add().set(source);
      f.get(target).get(vectors).i32Const(4).i32Shl().i32Add().set(target);
    });
    return f;
  });
}

/**
 * Emits `(source, rowBytes, target, targetRowBytes, depth, rows)`: a given by its columns
 * (depth x rows) into rows of `targetRowBytes`. The target has room for whole blocks of four.
 */
export function definePackTransposed(module: ModuleBuilder): FunctionBuilder {
  return module.define("pack_transposed", (_, name) => {
    const f = module.function(name, new Array(6).fill("i32"), []);
    const [source, rowBytes, target, targetRowBytes, depth, rows] = f.parameters;
    const [k, end] = f.locals("i32", 2);
    const pass = (groups: number) => {
      transposePass(f, { source, rowBytes, target, targetRowBytes, depth, rows, k }, groups);
      f.increment(target, 16 * groups);
    };
    // Sixteen elements of a target row make a cache line.
    f.get(depth).i32Const(-16).i32And().set(end);
    f.forRange(k, end, 16, () => pass(4));
    f.forRange(k, depth, 4, () => pass(1));
    return f;
  });
}

interface TransposePass {
  readonly source: Local;
  readonly rowBytes: Local;
  readonly target: Local;
  readonly targetRowBytes: Local;
  readonly depth: Local;
  readonly rows: Local;
  /** First source row of the pass. */
  readonly k: Local;
}

/** Transposes `4 * groups` source rows, all their columns. */
function transposePass(f: FunctionBuilder, pass: TransposePass, groups: number): void {
  const { source, rowBytes, target, targetRowBytes, depth, rows, k } = pass;
  const sourceRows = new Array(4 * groups).fill("i32");
  f.withLocals(sourceRows, (...pointers) => {
    setClampedRows(f, pointers, source, k, depth, rowBytes);
    f.withLocals(["i32", "i32"], (output, column) => {
      f.get(target).set(output).i32Const(0).set(column);
      f.forRange(column, rows, 4, () => {
        for (let group = 0; group < groups; group++) {
          const from = pointers.slice(4 * group, 4 * group + 4);
          transposeBlock(f, from, output, targetRowBytes, 16 * group);
        }
        f.get(output).get(targetRowBytes).i32Const(2).i32Shl().i32Add().set(output);
      });
    });
  });
}

/** Moves one block of four by four; the pointers go on to the next columns. */
function transposeBlock(
  f: FunctionBuilder,
  pointers: readonly Local[],
  output: Local,
  targetRowBytes: Local,
  offset: number,
): void {
  f.withLocals(["v128", "v128", "v128", "v128"], (...block) => {
    f.withLocals(["i32"], (row) => {
      pointers.forEach((pointer, i) => {
        f.get(pointer).v128Load().set(block[i]).increment(pointer, 16);
      });
      transpose(f, block);
      f.get(output).set(row);
      block.forEach((vector, i) => {
        f.get(row).get(vector).v128Store(offset);
        if (i < 3) f.get(row).get(targetRowBytes).i32Add().set(row);
      });
    });
  });
}
