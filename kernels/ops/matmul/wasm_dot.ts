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
import { integer, storeInteger } from "../../wasm/emit/integers.ts";
import { forEachVector, storeRow, throughMemory, vectorBytes } from "../../wasm/emit/lanes.ts";
import {
  add,
  assign,
  call,
  multiplyAdd,
  push,
  row,
  shuffle,
  type Value,
  when,
} from "../../wasm/emit/values.ts";

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
    left.slice(1).forEach((row, i) => assign(f, row, integer.add(left[i], rowBytesA)));
    right.slice(1).forEach((row, j) => assign(f, row, integer.add(right[j], columnBytes)));
    forEachVector(f, depth, [...left, ...right], depthUnroll, (vector, pointers) => {
      f.withLocals(new Array(rows + 1).fill("v128"), (element, ...elements) => {
        elements.forEach((local, i) => assign(f, local, row(pointers[i], vector)));
        right.forEach((_, j) => {
          assign(f, element, row(pointers[rows + j], vector));
          elements.forEach((local, i) => {
            const sum = sums[i * columns + j][vector.slot % parts];
            assign(f, sum, multiplyAdd(local, element, sum));
          });
        });
      });
    }, () => throughMemory(f, sums.flat(), scratch, 0));
    const totals = sums.map(([even, odd]) => {
      assign(f, even, add(even, odd));
      return even;
    });
    for (let i = 0; i < rows; i++) {
      storeSums(f, c, totals.slice(i * columns, (i + 1) * columns));
      assign(f, c, integer.add(c, rowBytesC));
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
        assign(f, low, pairSums(s0, s1));
        assign(f, high, pairSums(s2, s3));
        push(f, add(shuffle(low, high, [0, 1, 4, 5]), shuffle(low, high, [2, 3, 6, 7])));
      });
    });
  }
}

/** (x0 + x2, y0 + y2, x1 + x3, y1 + y3). */
const pairSums = (x: Local, y: Local): Value =>
  add(shuffle(x, y, [0, 4, 1, 5]), shuffle(x, y, [2, 6, 3, 7]));

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
          const target = defineDotTile(module, height, width, depth, columnBytes);
          call(f, target, rowA, rowBytesA, b, rowC, rowBytesC, scratch);
        };
        assign(f, rowA, a);
        assign(f, rowC, c);
        assign(f, pairs, integer.shiftRight(rows, 1));
        f.repeat(pairs, () => {
          tile(2);
          assign(f, rowA, integer.add(rowA, integer.shiftLeft(rowBytesA, 1)));
          assign(f, rowC, integer.add(rowC, integer.shiftLeft(rowBytesC, 1)));
        });
        when(f, integer.and(rows, 1), () => tile(1));
      });
      f.increment(b, width * columnBytes).increment(c, 4 * width);
    };
    let consumed = columns;
    for (const width of [dotColumns(module.lanes), 2, 1]) {
      const strips = f.local("i32");
      const rest = f.local("i32");
      assign(f, strips, integer.divide(consumed, width));
      assign(f, rest, integer.remainder(consumed, width));
      f.repeat(strips, () => strip(width));
      consumed = rest;
    }
    storeInteger(f, scratch, 0, touched);
    return f;
  });
}
