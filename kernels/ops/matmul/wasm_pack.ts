/**
 * Packing of operands into the order in which the tiles read them. Everything moves as blocks of
 * four by four elements (transposed in registers where needed), and in pieces that fill whole cache
 * lines on both sides. Reads may run up to three elements past a row: those lanes are never used.
 * What is stored in half precision is widened on the way.
 *
 * @module
 */
import { elementBytes, type FloatType } from "../../shape.ts";
import {
  type FunctionBuilder,
  type Local,
  type ModuleBuilder,
  vectorElements,
} from "../../wasm/emit/assembler.ts";
import { touchLines } from "../../wasm/emit/addressing.ts";
import { defineWiden, loadFloats } from "../../wasm/emit/half.ts";
import { address, integer, storeInteger } from "../../wasm/emit/integers.ts";
import { transpose, vectorBytes, wholeVector } from "../../wasm/emit/lanes.ts";
import { assign, call, kept, load, store, when } from "../../wasm/emit/values.ts";
import { panelColumns, panelShift } from "./wasm_micro.ts";

/** Space that packing may write beyond the packed data, in bytes. */
export const packingSlack = 256;

/** `pointers[i] = base + min(first + i, count - 1) * bytes`: never past the last row. */
export function setClampedRows(
  f: FunctionBuilder,
  pointers: readonly Local[],
  base: Local,
  first: Local,
  count: Local,
  bytes: Local,
): void {
  f.withLocals(["i32", "i32"], (row, lastRow) => {
    assign(f, lastRow, integer.subtract(count, 1));
    pointers.forEach((pointer, i) => {
      const wanted = kept(row, integer.add(first, i));
      const clamped = integer.select(integer.less(row, lastRow), wanted, lastRow);
      assign(f, pointer, integer.add(integer.multiply(clamped, bytes), base));
    });
  });
}

/**
 * Emits `(source, rowBytes, target, depth, columns)`: b given by rows of columns (depth x columns)
 * into panels.
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
    const shift = panelShift(module.lanes);
    assign(f, panelBytes, integer.shiftLeft(depth, shift));
    // Sixteen panels at a time: four rows of them fit the first-level cache on both sides.
    const stripColumns = 16 * panelColumns(module.lanes);
    f.forRange(strip, columns, stripColumns, () => {
      assign(f, first, source);
      assign(f, k, 0);
      const rows = (count: number) => {
        const rest = kept(left, integer.subtract(columns, strip));
        assign(f, left, integer.select(integer.less(left, stripColumns), rest, stripColumns));
        assign(f, row, first);
        assign(f, panel, integer.add(target, integer.shiftLeft(k, shift)));
        copyRows(f, { storage, row, rowBytes, panel, panelBytes, left }, count);
        assign(f, first, address(first, [rowBytes, count]));
      };
      f.withLocals(["i32"], (end) => {
        assign(f, end, integer.and(depth, -4));
        f.forRange(k, end, 4, () => rows(4));
        f.forRange(k, depth, 1, () => rows(1));
      });
      f.increment(source, stripColumns * elementBytes[storage]);
      assign(f, target, integer.add(target, integer.shiftLeft(panelBytes, 4)));
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
  /** Columns that are left in the strip; counted down. */
  readonly left: Local;
}

/** Copies `count` rows of `left` columns into their panels. */
function copyRows(f: FunctionBuilder, copy: RowCopy, count: number): void {
  const { storage, row, rowBytes, panel, panelBytes, left } = copy;
  const rowOfPanel = 1 << panelShift(f.module.lanes);
  const panelVectors = rowOfPanel / vectorBytes;
  /** Copies some vectors of every row. */
  const vectors = (vectors: number): void => {
    f.withLocals(["i32"], (element) => {
      assign(f, element, row);
      for (let i = 0; i < count; i++) {
        f.forVectors(vectors, (vector) => {
          const at = wholeVector(rowOfPanel * i + vectorBytes * vector);
          store(f, panel, at, loadFloats(element, storage, vectorElements * vector));
        });
        if (i < count - 1) assign(f, element, integer.add(element, rowBytes));
      }
    });
  };
  const nextColumns = (count: number): void => {
    f.increment(row, vectorElements * count * elementBytes[storage]);
  };
  const wholePanels = (panels: Local): void => {
    f.repeat(panels, () => {
      vectors(panelVectors);
      assign(f, panel, integer.add(panel, panelBytes));
      nextColumns(panelVectors);
    });
  };
  assign(f, left, integer.shiftRight(integer.add(left, 3), 2));
  if (panelVectors === 1) {
    wholePanels(left);
    return;
  }
  f.withLocals(["i32"], (panels) => {
    assign(f, panels, integer.shiftRight(left, Math.log2(panelVectors)));
    wholePanels(panels);
  });
  assign(f, left, integer.and(left, panelVectors - 1));
  f.repeat(left, () => {
    vectors(1);
    f.increment(panel, vectorBytes);
    nextColumns(1);
  });
}

/** Name of the function that packs columns. */
export function packColumnsName(storage: FloatType): string {
  return `pack_columns_${storage}`;
}

/**
 * Emits `(source, rowBytes, target, depth, columns)`: b given by its columns (columns x depth), as
 * weights are stored, into panels.
 */
export function definePackColumns(
  module: ModuleBuilder,
  storage: FloatType = "f32",
): FunctionBuilder {
  return module.define(packColumnsName(storage), (_, name) => {
    const f = module.function(name, new Array(5).fill("i32"), []);
    const [source, rowBytes, target, depth, columns] = f.parameters;
    const [column, k] = f.locals("i32", 2);
    const { lanes } = module;
    const rowOfPanel = 4 * panelColumns(lanes);
    const pointers = f.locals("i32", lanes);
    const block = f.locals("v128", vectorElements);
    const [columnBytes, touched] = f.locals("i32", 2);
    assign(f, columnBytes, integer.shiftLeft(depth, Math.log2(elementBytes[storage])));
    f.forRange(column, columns, lanes, () => {
      setClampedRows(f, pointers, source, column, columns, rowBytes);
      for (const pointer of pointers) touchLines(f, pointer, columnBytes, touched);
      f.withLocals(["i32"], (output) => {
        assign(f, output, target);
        assign(f, k, 0);
        // The last turn may write into the next panel, which is filled later.
        f.forRange(k, depth, 4, () => {
          f.forVectors(lanes / vectorElements, (vector) => {
            block.forEach((row, i) => {
              assign(f, row, loadFloats(pointers[vectorElements * vector + i], storage));
            });
            transpose(f, block);
            block.forEach((row, i) => {
              const offset = rowOfPanel * i + vectorBytes * vector;
              store(f, output, wholeVector(offset), row);
            });
          });
          for (const pointer of pointers) f.increment(pointer, 4 * elementBytes[storage]);
          f.increment(output, 4 * rowOfPanel);
        });
      });
      nextColumnsOfPanel(f, target, column, depth);
    });
    // There is room behind the panels.
    storeInteger(f, target, 0, touched);
    return f;
  });
}

/** Moves a pointer into packed panels on from `column` by as many columns as there are lanes. */
export function nextColumnsOfPanel(
  f: FunctionBuilder,
  target: Local,
  column: Local,
  depth: Local,
): void {
  const { lanes } = f.module;
  const nextPanel = (): void => {
    assign(f, target, integer.add(target, integer.shiftLeft(depth, panelShift(lanes))));
  };
  const last = panelColumns(lanes) - lanes;
  if (last === 0) {
    nextPanel();
    return;
  }
  when(f, integer.and(column, last), () => {
    f.increment(target, -4 * last);
    nextPanel();
  }, () => f.increment(target, 4 * lanes));
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
    assign(f, vectors, integer.shiftRight(integer.add(depth, 3), 2));
    f.repeat(columns, () => {
      call(f, defineWiden(module), source, target, vectors);
      assign(f, source, integer.add(source, columnBytes));
      assign(f, target, integer.add(target, integer.shiftLeft(vectors, 4)));
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
    assign(f, end, integer.and(depth, -16));
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
      assign(f, output, target);
      assign(f, column, 0);
      f.forRange(column, rows, 4, () => {
        f.forVectors(groups, (group) => {
          const from = pointers.slice(4 * group, 4 * group + 4);
          transposeBlock(f, from, output, targetRowBytes, 16 * group);
        });
        assign(f, output, integer.add(output, integer.shiftLeft(targetRowBytes, 2)));
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
        assign(f, block[i], load(pointer));
        f.increment(pointer, 16);
      });
      transpose(f, block);
      assign(f, row, output);
      block.forEach((vector, i) => {
        store(f, row, wholeVector(offset), vector);
        if (i < 3) assign(f, row, integer.add(row, targetRowBytes));
      });
    });
  });
}
