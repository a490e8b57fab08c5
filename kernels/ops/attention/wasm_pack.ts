/**
 * Packing rows of attention operands into panels of four columns, the form in which the matrix
 * product reads its right operand: panel p holds columns 4p to 4p + 3, four numbers for every step of
 * the sum. Widths are known when the code is generated, lengths at run time.
 *
 * @module
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/assembler.ts";
import { loadRow, type RowVector, storeRow, transpose } from "../../wasm/lanes.ts";

/** Rows of a tensor: their width in elements and the distance between them in bytes. */
export interface RowLayout {
  readonly width: number;
  readonly stride: number;
}

/** The vectors of a row, the last one perhaps partial. */
function vectorsOf(width: number): RowVector[] {
  return Array.from({ length: Math.ceil(width / 4) }, (_, slot) => ({
    lanes: Math.min(4, width - 4 * slot),
    offset: 16 * slot,
    slot,
  }));
}

/**
 * (source, target, rows): panels of the transposed matrix; every row is a column of the product's
 * right operand. Columns past the last row repeat it.
 */
export function packTransposed(module: ModuleBuilder, layout: RowLayout): FunctionBuilder {
  const { width, stride } = layout;
  return module.define(`attention pack transposed ${width} ${stride}`, (_, name) => {
    const f = module.function(name, ["i32", "i32", "i32"], []);
    const [source, target, rows] = f.parameters;
    const pointers = f.locals("i32", 4);
    const block = f.locals("v128", 4);
    const left = f.local("i32");
    const pack = (vector: RowVector): void => {
      block.forEach((local, i) => {
        loadRow(f, pointers[i], vector);
        f.set(local);
      });
      transpose(f, block);
      for (let lane = 0; lane < vector.lanes; lane++) {
        f.get(target).get(block[lane]).v128Store(16 * lane);
      }
      f.increment(target, 16 * vector.lanes);
    };
    f.get(rows).set(left);
    f.block((exit) => {
      f.loop((again) => {
        f.get(left).i32Eqz().branchIf(exit);
        f.get(source).set(pointers[0]);
        for (let i = 1; i < 4; i++) {
          // Stays on the last row when there is no further one.
          f.get(pointers[i - 1]).get(left).i32Const(i).i32GtU().i32Const(stride).i32Mul();
          f.i32Add().set(pointers[i]);
        }
        packAlong(f, width, pointers, pack);
        f.increment(source, 4 * stride);
        f.get(left).i32Const(4).i32LeU().branchIf(exit);
        f.increment(left, -4).branch(again);
      });
    });
    return f;
  });
}

/** Walks the width of four rows: a loop over whole vectors, then the partial one. */
function packAlong(
  f: FunctionBuilder,
  width: number,
  pointers: readonly Local[],
  pack: (vector: RowVector) => void,
): void {
  const whole = Math.floor(width / 4);
  const advance = (): void => {
    for (const pointer of pointers) f.increment(pointer, 16);
  };
  f.withLocals(["i32"], (count) => {
    f.i32Const(whole).set(count);
    f.repeat(count, () => {
      pack({ lanes: 4, offset: 0, slot: 0 });
      advance();
    });
  });
  if (width % 4) pack({ lanes: width % 4, offset: 0, slot: 0 });
}

/** Rows that are packed together, so that whole cache lines are written. */
const rowsAtOnce = 4;

/** Widest rows whose vectors are walked by straight code. */
const straightWidth = 64;

/** (source, target, rows): panels of the matrix itself; every row is one step of the sum. */
export function packStraight(module: ModuleBuilder, layout: RowLayout): FunctionBuilder {
  const { width, stride } = layout;
  return module.define(`attention pack straight ${width} ${stride}`, (_, name) => {
    const f = module.function(name, ["i32", "i32", "i32"], []);
    const [source, target, rows] = f.parameters;
    const [count, panelBytes, panel, from, to] = f.locals("i32", 5);
    f.get(rows).i32Const(4).i32Shl().set(panelBytes);
    // The vectors of some columns of `height` rows, one panel each.
    const panels = (height: number, vectors: readonly RowVector[]): void => {
      for (const { lanes, offset } of vectors) {
        for (let row = 0; row < height; row++) {
          const loaded = { lanes, offset: offset + row * stride, slot: 0 };
          const stored = { lanes: 4, offset: 16 * row, slot: 0 };
          storeRow(f, to, stored, () => loadRow(f, from, loaded));
        }
        f.get(to).get(panelBytes).i32Add().set(to);
      }
    };
    const pack = (height: number): void => {
      f.get(source).set(from).get(target).set(to);
      const chunks = Math.floor(width / straightWidth);
      f.i32Const(chunks).set(panel);
      f.repeat(panel, () => {
        panels(height, vectorsOf(straightWidth));
        f.increment(from, 4 * straightWidth);
      });
      panels(height, vectorsOf(width % straightWidth));
      f.increment(source, height * stride).increment(target, 16 * height);
    };
    f.get(rows).i32Const(2).i32ShrU().set(count);
    f.repeat(count, () => pack(rowsAtOnce));
    f.get(rows).i32Const(3).i32And().set(count);
    f.repeat(count, () => pack(1));
    return f;
  });
}
