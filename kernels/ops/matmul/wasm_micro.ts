/**
 * The heart of the matrix product: register tiles, and the loop over tiles.
 *
 * A tile is up to 6 rows by 8 columns, or by 16 in modules for eight lanes: twelve accumulators (of
 * 256 bits in the latter), two vectors of b and one broadcast element of a fill the fifteen vector
 * registers that V8 hands out. Without fused multiply-adds it has 5 rows. The rows of a are read through one pointer each at a common constant
 * offset, since V8 checks the bounds of every load and can share the computed bound only between
 * loads with the same offset. The depth is unrolled 8 times.
 *
 * b comes either packed into panels (`[panel][depth][panelColumns]`) or, where it is used too seldom
 * to be worth packing, directly from its rows. Columns past the end of the matrix are computed from
 * whatever lies there and never stored.
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
import { address, integer, storeInteger } from "../../wasm/emit/integers.ts";
import { type RowVector, vectorBytes } from "../../wasm/emit/lanes.ts";
import {
  add,
  assign,
  call,
  load,
  multiplyAdd,
  splat,
  store,
  when,
} from "../../wasm/emit/values.ts";

/**
 * Rows of the largest tile.
 *
 * @param relaxed Whether sums and products are one instruction; apart, products need a register.
 */
export function tileRows(relaxed: boolean): number {
  return relaxed ? 6 : 5;
}

/** Columns of the largest tile. */
export function tileColumns(lanes: Lanes): number {
  return 2 * lanes;
}

/**
 * Columns of a panel of b. The pairs of an eight-lane tile have to lie side by side; four lanes
 * pack to whole cache lines faster than a tile's eight.
 */
export function panelColumns(lanes: Lanes): number {
  return lanes === 4 ? 4 : tileColumns(lanes);
}

/** log2 of the bytes of a panel's row. */
export function panelShift(lanes: Lanes): number {
  return Math.log2(4 * panelColumns(lanes));
}

/** Elements of packed panels. */
export function panelElements(columns: number, depth: number, lanes: Lanes): number {
  return Math.ceil(columns / panelColumns(lanes)) * panelColumns(lanes) * depth;
}

const depthUnroll = 8;

/** How tiles read their operands. */
export interface TileSource {
  /** Distance of b's rows in bytes when b is read directly; absent when it is packed. */
  readonly rowBytes?: number;
  /** Columns of the last vector of the matrix: 1 to 3, or 0 when it is whole. */
  readonly lastLanes: number;
  /** How the depth of a packed b is walked where it is not one run of neighbours. */
  readonly runs?: DepthRuns;
  /** Steps of the depth that are written out in a row: 8 unless told otherwise. */
  readonly unroll?: number;
}

/**
 * A depth in runs of equal length: in place of the depth, functions take the address of a
 * `runsTable`.
 */
export interface DepthRuns {
  /**
   * Whether rows are listed: in place of a there is a list of pairs, one a row (so `rowBytesA` is 8),
   * of the addresses of the row in a and in c (so `rowBytesC` is 0, and c the place in the row).
   */
  readonly listed: boolean;
  /** Rows of a panel from one step of the depth to the next. */
  readonly panelStep: number;
}

/** Runs that are walked in two loops, sizes and distances in locals or constants. */
export interface RunLoops {
  /** Steps of a run. */
  readonly length: Local | number;
  /** Distance of b's panels in bytes. */
  readonly panelBytes: Local | number;
  /** The loop around the runs, and the loop around that one. */
  readonly loops: readonly [RunLoop, RunLoop];
}

/** How often something is walked, and how far a and b lie, in bytes, from the end of one time to the
 * start of the next. */
export interface RunLoop {
  readonly count: Local | number;
  readonly moveA: Local | number;
  readonly moveB: Local | number;
}

/** Places of the numbers of a table of runs, in bytes. */
const runsFields = { length: 0, panelBytes: 4, loops: [8, 20], count: 0, moveA: 4, moveB: 8 };

/** Bytes of a table of runs. */
export const runsTableBytes = 32;

/** Stores the table that functions read runs from. */
export function storeRunsTable(f: FunctionBuilder, table: Local, runs: RunLoops): void {
  const { length, panelBytes, loops } = runs;
  const numbers = [length, panelBytes, ...loops.flatMap((l) => [l.count, l.moveA, l.moveB])];
  numbers.forEach((number, i) => storeInteger(f, table, 4 * i, number));
}

function sourceName({ rowBytes, runs, unroll }: TileSource): string {
  if (unroll) return `unrolled_${unroll}`;
  if (runs) return `runs${runs.listed ? "_listed" : ""}_${runs.panelStep}`;
  return rowBytes === undefined ? "packed" : `direct${rowBytes}`;
}

/**
 * Emits `(a, rowBytesA, b, c, rowBytesC, depth, accumulate)`: one tile of `c = a b` or `c += a b`.
 *
 * @param lanes Columns of the last vector.
 */
export function defineTile(
  module: ModuleBuilder,
  rows: number,
  vectors: number,
  lanes: number,
  source: TileSource,
): FunctionBuilder {
  return module.define(
    `tile_${rows}x${4 * (vectors - 1) + lanes}_${sourceName(source)}`,
    (_, name) => {
      const f = module.function(name, new Array(7).fill("i32"), []);
      const [a, rowBytesA, b, c, rowBytesC, depth, accumulate] = f.parameters;
      const tile = new Tile(f, rows, vectors, lanes, source);
      tile.start(a, rowBytesA, b, depth);
      tile.multiply(depth);
      tile.store(c, a, rowBytesC, accumulate);
      return f;
    },
  );
}

class Tile {
  readonly #rows: Local[];
  /** Packed: one pointer a panel. Direct: one pointer. */
  readonly #panels: Local[];
  readonly #sums: Local[];
  /** Vectors that are read through one pointer, side by side. */
  readonly #panelVectors: number;

  constructor(
    readonly f: FunctionBuilder,
    readonly rows: number,
    readonly vectors: number,
    readonly lanes: number,
    readonly source: TileSource,
  ) {
    this.#rows = f.locals("i32", rows);
    const packed = source.rowBytes === undefined;
    this.#panelVectors = packed ? panelColumns(f.module.lanes) / vectorElements : vectors;
    this.#panels = f.locals("i32", Math.ceil(vectors / this.#panelVectors));
    this.#sums = f.locals("v128", rows * vectors);
  }

  start(a: Local, rowBytesA: Local, b: Local, depth: Local): void {
    const { f, source: { runs } } = this;
    this.#rows.forEach((row, i) => {
      if (runs?.listed) assign(f, row, integer.load(a, 8 * i));
      else assign(f, row, i === 0 ? a : integer.add(this.#rows[i - 1], rowBytesA));
    });
    const panelBytes = runs
      ? integer.load(depth, runsFields.panelBytes)
      : integer.shiftLeft(depth, panelShift(f.module.lanes));
    this.#panels.forEach((panel, j) => {
      assign(f, panel, j === 0 ? b : integer.add(this.#panels[j - 1], panelBytes));
    });
  }

  multiply(depth: Local): void {
    if (!this.source.runs) {
      this.#run(depth);
      return;
    }
    const { f } = this;
    this.#loop(depth, 1, () =>
      this.#loop(depth, 0, () => {
        f.withLocals(["i32"], (length) => {
          assign(f, length, integer.load(depth, runsFields.length));
          this.#run(length);
        });
      }));
  }

  /** A loop of a table of runs; the pointers move on after each turn. */
  #loop(table: Local, level: 0 | 1, body: () => void): void {
    const { f } = this;
    const { count, moveA, moveB, loops } = runsFields;
    f.withLocals(["i32", "i32"], (counter, move) => {
      assign(f, counter, integer.load(table, loops[level] + count));
      f.repeat(counter, () => {
        body();
        const pointers = [[moveA, this.#rows], [moveB, this.#panels]] as const;
        for (const [field, moved] of pointers) {
          assign(f, move, integer.load(table, loops[level] + field));
          for (const pointer of moved) assign(f, pointer, integer.add(pointer, move));
        }
      });
    });
  }

  #run(depth: Local): void {
    const { f, source: { unroll = depthUnroll } } = this;
    f.withLocals(["i32"], (counter) => {
      assign(f, counter, integer.divide(depth, unroll));
      f.repeat(counter, () => this.#steps(unroll));
      if (unroll === 1) return;
      assign(f, counter, integer.remainder(depth, unroll));
      f.repeat(counter, () => this.#steps(1));
    });
  }

  #steps(count: number): void {
    const { f, vectors } = this;
    const panelVectors = this.#panelVectors;
    const { rowBytes, runs } = this.source;
    const stepBytes = rowBytes ?? vectorBytes * panelVectors * (runs?.panelStep ?? 1);
    f.withLocals(new Array(vectors + 1).fill("v128"), (element, ...columns) => {
      for (let step = 0; step < count; step++) {
        columns.forEach((column, j) => {
          const panel = this.#panels[Math.floor(j / panelVectors)];
          const offset = step * stepBytes + vectorBytes * (j % panelVectors);
          assign(f, column, load(panel, offset));
        });
        this.#rows.forEach((row, i) => {
          assign(f, element, splat(row, 4 * step));
          columns.forEach((column, j) => {
            const sum = this.#sums[i * vectors + j];
            assign(f, sum, multiplyAdd(element, column, sum));
          });
        });
      }
    });
    for (const row of this.#rows) f.increment(row, 4 * count);
    for (const panel of this.#panels) f.increment(panel, stepBytes * count);
  }

  store(c: Local, a: Local, rowBytesC: Local, accumulate: Local): void {
    const { f } = this;
    f.withLocals(["i32"], (row) => {
      when(f, accumulate, () =>
        this.#forEachSum(c, a, rowBytesC, row, (sum, { offset }) => {
          assign(f, sum, add(load(row, offset), sum));
        }));
      this.#forEachSum(c, a, rowBytesC, row, (sum, vector) => store(f, row, vector, sum));
    });
  }

  /** Visits the sums, with `row` at their rows of c. */
  #forEachSum(
    c: Local,
    a: Local,
    rowBytesC: Local,
    row: Local,
    visit: (sum: Local, vector: RowVector) => void,
  ): void {
    const { f, vectors, source: { runs } } = this;
    for (let i = 0; i < this.rows; i++) {
      if (runs?.listed) assign(f, row, integer.add(integer.load(a, 8 * i + 4), c));
      else assign(f, row, i === 0 ? c : integer.add(row, rowBytesC));
      f.forVectors(vectors, (slot) => {
        const lanes = slot === vectors - 1 ? this.lanes : vectorElements;
        visit(this.#sums[i * vectors + slot], { lanes, offset: vectorBytes * slot, slot });
      });
    }
  }
}

/**
 * Emits `(a, rowBytesA, b, c, rowBytesC, rows, columns, depth, accumulate)`: a block of any size.
 *
 * Strips of columns are the outer loop; their panels stay in the first-level cache, rows of a stream
 * past them.
 */
export function defineBlock(module: ModuleBuilder, source: TileSource): FunctionBuilder {
  const { lastLanes } = source;
  return module.define(`block_${sourceName(source)}_${lastLanes}`, (_, name) => {
    const f = module.function(name, new Array(9).fill("i32"), []);
    const columns = f.parameters[6];
    const block = new BlockLoop(f, source);
    const widest = tileColumns(module.lanes);
    const strip = (width: number): void => block.strip(width / vectorElements, vectorElements);
    f.withLocals(["i32"], (strips) => {
      assign(f, strips, integer.divide(columns, widest));
      f.repeat(strips, () => strip(widest));
    });
    for (let width = widest / 2; width >= vectorElements; width /= 2) {
      when(f, integer.and(columns, width), () => strip(width));
    }
    if (lastLanes > 0) {
      when(f, integer.and(columns, 3), () => block.strip(1, lastLanes));
    }
    return f;
  });
}

class BlockLoop {
  constructor(readonly f: FunctionBuilder, readonly source: TileSource) {}

  /** All rows of one strip of columns; moves on to the next strip. */
  strip(vectors: number, lanes: number): void {
    const { f } = this;
    const [a, rowBytesA, b, c, rowBytesC, rows, , depth, accumulate] = f.parameters;
    f.withLocals(["i32", "i32", "i32", "i32"], (rowA, rowC, whole, rest) => {
      const tile = (tileHeight: number): void => {
        const target = defineTile(f.module, tileHeight, vectors, lanes, this.source);
        call(f, target, rowA, rowBytesA, b, rowC, rowBytesC, depth, accumulate);
        assign(f, rowA, address(rowA, [rowBytesA, tileHeight]));
        assign(f, rowC, address(rowC, [rowBytesC, tileHeight]));
      };
      assign(f, rowA, a);
      assign(f, rowC, c);
      this.#divideRows(rows, whole, rest);
      const largest = tileRows(f.module.relaxed);
      f.repeat(whole, () => tile(largest));
      for (let height = 1; height <= largest + 2; height++) {
        if (height === largest) continue;
        const heights = height < largest
          ? [height]
          : [Math.ceil(height / 2), Math.floor(height / 2)];
        when(f, integer.equal(rest, height), () => heights.forEach(tile));
      }
    });
    const bytes = vectorBytes * vectors;
    f.increment(c, bytes);
    const panels = vectorElements * vectors / panelColumns(f.module.lanes);
    if (this.source.rowBytes !== undefined || panels < 1) f.increment(b, bytes);
    else if (this.source.runs) {
      assign(f, b, address(b, [integer.load(depth, runsFields.panelBytes), panels]));
    } else assign(f, b, address(b, [depth, bytes]));
  }

  /** Whole tiles and remaining rows: rather a tile and one or two rows than these alone. */
  #divideRows(rows: Local, whole: Local, rest: Local): void {
    const { f } = this;
    const largest = tileRows(f.module.relaxed);
    assign(f, whole, integer.divide(rows, largest));
    assign(f, rest, integer.remainder(rows, largest));
    const oneOrTwo = integer.less(integer.subtract(rest, 1), 2);
    when(f, integer.and(oneOrTwo, integer.greater(whole, 0)), () => {
      f.increment(whole, -1).increment(rest, largest);
    });
  }
}
