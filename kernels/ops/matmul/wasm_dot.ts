/**
 * Products with few rows, where b is stored by its columns (weights of a linear layer): every result
 * is a dot product of two contiguous rows. Nothing is packed, so that b is read exactly once, at the
 * speed of memory. Tiles of 2 rows by 3 or 6 columns share the loads.
 *
 * @module
 */
import {
  type FunctionBuilder,
  type Lanes,
  type Local,
  type ModuleBuilder,
  vectorElements,
} from "../../wasm/emit/assembler.ts";
import { touchLines } from "../../wasm/emit/addressing.ts";
import {
  forEachVector,
  loadRow,
  storeRow,
  throughMemory,
  vectorBytes,
} from "../../wasm/emit/lanes.ts";

/**
 * Columns of the widest tile of two rows: six accumulators of eight lanes, or twelve. The lanes are
 * eight in either case, so that sums have one order: even vectors and odd ones are added apart.
 */
export function dotColumns(lanes: Lanes): number {
  return 3 * lanes / vectorElements;
}

const depthUnroll = 4;

/** Vectors that are summed apart. */
const parts = 2;

/** Scratch memory of a tile in bytes. */
export const dotScratchBytes = 2 * dotColumns(8) * parts * vectorBytes;

/** Emits `(a, rowBytesA, b, c, rowBytesC, scratch)`: one tile. */
function defineDotTile(
  module: ModuleBuilder,
  rows: number,
  columns: number,
  depth: number,
  columnBytes: number,
): FunctionBuilder {
  const key = `dot_tile_${rows}x${columns}x${depth}_${columnBytes}`;
  return module.define(key, (_, name) => {
    const f = module.function(name, new Array(6).fill("i32"), []);
    const [a, rowBytesA, b, c, rowBytesC, scratch] = f.parameters;
    const left = [a, ...f.locals("i32", rows - 1)];
    const right = [b, ...f.locals("i32", columns - 1)];
    const sums = Array.from({ length: rows * columns }, () => f.locals("v128", parts));
    left.slice(1).forEach((row, i) => f.get(left[i]).get(rowBytesA).i32Add().set(row));
    right.slice(1).forEach((row, j) => f.get(right[j]).i32Const(columnBytes).i32Add().set(row));
    forEachVector(f, depth, [...left, ...right], depthUnroll, (vector, pointers) => {
      f.withLocals(new Array(rows + 1).fill("v128"), (element, ...elements) => {
        elements.forEach((local, i) => {
          loadRow(f, pointers[i], vector);
          f.set(local);
        });
        right.forEach((_, j) => {
          loadRow(f, pointers[rows + j], vector);
          f.set(element);
          elements.forEach((local, i) => {
            const sum = sums[i * columns + j][vector.slot % parts];
            f.get(local).get(element).get(sum).f32x4MultiplyAdd().set(sum);
          });
        });
      });
    }, () => throughMemory(f, sums.flat(), scratch, 0));
    const totals = sums.map(([even, odd]) => {
      f.get(even).get(odd).f32x4Add().set(even);
      return even;
    });
    for (let i = 0; i < rows; i++) {
      storeSums(f, c, totals.slice(i * columns, (i + 1) * columns));
      f.get(c).get(rowBytesC).i32Add().set(c);
    }
    return f;
  });
}

/** Stores the horizontal sums of consecutive accumulators, four at a time. */
function storeSums(f: FunctionBuilder, c: Local, sums: readonly Local[]): void {
  for (let first = 0; first < sums.length; first += 4) {
    const lanes = Math.min(4, sums.length - first);
    const [s0, s1, s2, s3] = [0, 1, 2, 3].map((i) => sums[Math.min(first + i, sums.length - 1)]);
    storeRow(f, c, { lanes, offset: 4 * first, slot: 0 }, () => {
      f.withLocals(["v128", "v128"], (low, high) => {
        pairSums(f, s0, s1);
        f.set(low);
        pairSums(f, s2, s3);
        f.set(high);
        f.get(low).get(high).i32x4Shuffle([0, 1, 4, 5]);
        f.get(low).get(high).i32x4Shuffle([2, 3, 6, 7]).f32x4Add();
      });
    });
  }
}

/** Pushes (x0 + x2, y0 + y2, x1 + x3, y1 + y3). */
function pairSums(f: FunctionBuilder, x: Local, y: Local): void {
  f.get(x).get(y).i32x4Shuffle([0, 4, 1, 5]).get(x).get(y).i32x4Shuffle([2, 6, 3, 7]).f32x4Add();
}

/** Emits `(a, rowBytesA, b, c, rowBytesC, rows, columns, scratch)`: a block of any size, whole depth. */
export function defineDotBlock(
  module: ModuleBuilder,
  depth: number,
  columnBytes: number,
): FunctionBuilder {
  return module.define(`dot_block_${depth}_${columnBytes}`, (_, name) => {
    const f = module.function(name, new Array(8).fill("i32"), []);
    const [a, rowBytesA, b, c, rowBytesC, rows, columns, scratch] = f.parameters;
    const touched = f.local("i32");
    const strip = (width: number): void => {
      if (columnBytes === 4 * depth) touchLines(f, b, width * columnBytes, touched);
      f.withLocals(["i32", "i32", "i32"], (rowA, rowC, pairs) => {
        const tile = (height: number): void => {
          f.get(rowA).get(rowBytesA).get(b).get(rowC).get(rowBytesC).get(scratch);
          f.call(defineDotTile(module, height, width, depth, columnBytes));
        };
        f.get(a).set(rowA).get(c).set(rowC).get(rows).i32Const(1).i32ShrU().set(pairs);
        f.repeat(pairs, () => {
          tile(2);
          f.get(rowA).get(rowBytesA).i32Const(1).i32Shl().i32Add().set(rowA);
          f.get(rowC).get(rowBytesC).i32Const(1).i32Shl().i32Add().set(rowC);
        });
        f.get(rows).i32Const(1).i32And().if(() => tile(1));
      });
      f.increment(b, width * columnBytes).increment(c, 4 * width);
    };
    let consumed = columns;
    for (const width of [dotColumns(module.lanes), 2, 1]) {
      const strips = f.local("i32");
      const rest = f.local("i32");
      f.get(consumed).i32Const(width).i32DivU().set(strips);
      f.get(consumed).i32Const(width).i32RemU().set(rest);
      f.repeat(strips, () => strip(width));
      consumed = rest;
    }
    f.get(scratch).get(touched).i32Store();
    return f;
  });
}
