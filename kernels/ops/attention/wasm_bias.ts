/**
 * Relative biases of attention in WebAssembly. A tile of scores begins as biases, to which the matrix
 * product adds; a tile of score gradients is added to the table's gradient.
 *
 * Tokens that are neighbours along the last axis of the window have neighbouring entries: a row of a
 * tile and the table are walked side by side in such runs, by vectors. So that entries ascend along a
 * row also where its columns are keys, the table is turned round there. A call makes such a copy in
 * scratch memory, divided by the scale of the scores; gradients too are summed up in scratch memory, for
 * a whole head in one order, whatever the number of threads.
 *
 * @module
 */
import {
  type FunctionBuilder,
  type Local,
  type ModuleBuilder,
  vectorElements,
} from "../../wasm/emit/assembler.ts";
import { forEachVector, type RowVector, vectorBytes, wholeVector } from "../../wasm/emit/lanes.ts";
import { integer, storeInteger } from "../../wasm/emit/integers.ts";
import {
  add,
  assign,
  branchWhen,
  kept,
  multiply,
  type Operand,
  row,
  scalar,
  store,
  storeScalar,
  type Value,
  when,
} from "../../wasm/emit/values.ts";
import type { BiasTable } from "./relative_bias.ts";
import type { ScratchLayout } from "./wasm_scratch.ts";

/** Vectors that are copied together: the last ones may run past the end of a run. */
const vectorsAtOnce = 2;

/** Tokens of a run. */
const runLength = ({ window }: BiasTable): number => window[window.length - 1];

/** Runs of a window. */
const runCount = ({ window }: BiasTable): number =>
  window.slice(0, -1).reduce((product, size) => product * size, 1);

/** Takes room for the entries of a head and for the places of the first tokens of runs. */
export function takeBias(layout: ScratchLayout, bias: BiasTable | undefined) {
  const overrun = vectorsAtOnce * vectorElements;
  return {
    entries: layout.take(bias ? bias.entries + overrun : 0),
    places: layout.take(bias ? runCount(bias) : 0),
  };
}

/** What a copy of a table is specialised to. */
export interface PreparedBias {
  readonly bias: BiasTable;
  readonly scale: number;
  /** Whether the columns of tiles are keys. */
  readonly reversed: boolean;
}

/** (source, entries, places): copies the table of a head, and lists the places of runs. */
export function prepareBias(module: ModuleBuilder, kernel: PreparedBias): FunctionBuilder {
  const { bias, scale, reversed } = kernel;
  return module.define(`attention bias ${JSON.stringify(kernel)}`, (_, name) => {
    const f = module.function(name, ["i32", "i32", "i32"], []);
    const [source, entries, places] = f.parameters;
    const left = f.local("i32");
    if (reversed) f.increment(source, 4 * (bias.entries - 1));
    assign(f, left, bias.entries);
    f.repeat(left, () => {
      storeScalar(f, entries, 0, scalar.multiply(scalar.load(source), 1 / scale));
      f.increment(entries, 4).increment(source, reversed ? -4 : 4);
    });
    listPlaces(f, bias, places);
    return f;
  });
}

/** Stores the place of the first token of every run. */
function listPlaces(f: FunctionBuilder, bias: BiasTable, places: Local): void {
  const { window, strides } = bias;
  const [place, run, left] = f.locals("i32", 3);
  assign(f, left, runCount(bias));
  f.repeat(left, () => {
    storeInteger(f, places, 0, place);
    f.increment(places, 4).increment(run, 1);
    const ends = (runs: number): Value => integer.isZero(integer.remainder(run, runs));
    let span = 1;
    // The next run is one on along its axis; where an axis ends, that is one on along the axis before.
    for (let axis = window.length - 2; axis >= 0; axis--) {
      const step = strides[axis];
      if (span === 1) f.increment(place, step);
      else when(f, ends(span), () => f.increment(place, step));
      span *= window[axis];
      const back = -window[axis] * step;
      when(f, ends(span), () => f.increment(place, back));
    }
  });
}

/** Most tokens, and runs of them, of windows whose rows are walked without loops. */
const unrolled = { tokens: 128, runs: 32 };

/** Whether rows of all tokens of a window are walked without loops. */
const isUnrolled = (bias: BiasTable): boolean =>
  runCount(bias) * runLength(bias) <= unrolled.tokens && runCount(bias) <= unrolled.runs;

/** Where the entries of a row begin: pointers to the list of places and the copied table. */
function rowEntries(bias: BiasTable, row: Local, entries: Local, places: Local): Value {
  const length = runLength(bias);
  const ofRun = integer.subtract(bias.middle, integer.load(placeOf(row, length, places)));
  return integer.add(entries, bytes(integer.subtract(ofRun, integer.remainder(row, length))));
}

const bytes = (elements: Operand): Value => integer.shiftLeft(elements, 2);

/** Where the list has the place of the run of a token. */
const placeOf = (token: Local, length: number, places: Local): Value =>
  integer.add(bytes(integer.divide(token, length)), places);

/**
 * Emits (tile, rows, columns, firstRow, firstColumn, entries, places): walks a tile whose columns are all
 * tokens of the window, run by run, each at a distance that is known.
 *
 * @param body gets pointers to a row of the tile and to its entries, and the bytes from these to the run
 */
function walkWholeRows(
  module: ModuleBuilder,
  name: string,
  bias: BiasTable,
  stride: number,
  body: OverWholeRows,
): FunctionBuilder {
  const f = module.function(name, new Array<"i32">(7).fill("i32"), []);
  const [tile, rows, , firstRow, , entries, places] = f.parameters;
  const base = f.local("i32");
  f.repeat(rows, () => {
    assign(f, base, rowEntries(bias, firstRow, entries, places));
    for (const [run, place] of runPlaces(bias).entries()) {
      body(f, tile, base, { at: 4 * run * runLength(bias), from: 4 * place });
    }
    f.increment(tile, stride).increment(firstRow, 1);
  });
  return f;
}

/** The places of the first tokens of runs. */
function runPlaces({ window, strides }: BiasTable): number[] {
  return window.slice(0, -1).reduce<number[]>(
    (places, size, axis) =>
      places.flatMap((place) => Array.from({ length: size }, (_, i) => place + i * strides[axis])),
    [0],
  );
}

/** A run of a row of a tile beside the table; pointers may be moved. */
interface Run {
  readonly count: Local;
  readonly scores: Local;
  readonly entries: Local;
}

/**
 * Emits (tile, rows, columns, firstRow, firstColumn, entries, places): walks a tile that begins with the
 * tokens `firstRow` and `firstColumn` of the window.
 *
 * @param stride bytes from row to row of the tile
 */
function walkTile(
  module: ModuleBuilder,
  name: string,
  bias: BiasTable,
  stride: number,
  body: OverRuns,
): FunctionBuilder {
  const f = module.function(name, new Array<"i32">(7).fill("i32"), []);
  const [tile, rows, columns, firstRow, firstColumn, entries, places] = f.parameters;
  const [base, run, within, left, position] = f.locals("i32", 5);
  const [count, scores, from] = f.locals("i32", 3);
  const length = runLength(bias);
  f.repeat(rows, () => {
    assign(f, base, rowEntries(bias, firstRow, entries, places));
    assign(f, run, placeOf(firstColumn, length, places));
    assign(f, within, integer.remainder(firstColumn, length));
    assign(f, left, columns);
    assign(f, position, tile);
    f.loop((next) => {
      assign(f, count, integer.subtract(length, within));
      assign(f, count, integer.smaller(count, left));
      assign(f, from, integer.add(bytes(integer.add(integer.load(run), within)), base));
      assign(f, scores, position);
      body(f, { count, scores, entries: from });
      assign(f, position, integer.add(bytes(count), position));
      f.increment(run, 4);
      assign(f, within, 0);
      branchWhen(f, kept(left, integer.subtract(left, count)), next);
    });
    f.increment(tile, stride).increment(firstRow, 1);
  });
  return f;
}

/** What is done with a run of a whole row: pointers to row and entries, and the bytes from these to the run. */
type OverWholeRows = (
  f: FunctionBuilder,
  tile: Local,
  base: Local,
  run: { readonly at: number; readonly from: number },
) => void;

/** What is done with a run, wherever it begins. */
type OverRuns = (f: FunctionBuilder, run: Run) => void;

/**
 * A function over tiles: unrolled where they have all tokens of a small window as columns, run by run else.
 *
 * @param whole whether the columns of all tiles are all tokens of the window
 */
function defineWalk(
  module: ModuleBuilder,
  what: string,
  bias: BiasTable,
  stride: number,
  whole: boolean,
  { rows, runs }: { readonly rows: OverWholeRows; readonly runs: OverRuns },
): FunctionBuilder {
  const size = `${bias.window} ${stride}`;
  return whole && isUnrolled(bias)
    ? module.define(
      `attention bias ${what} whole ${size}`,
      (_, name) => walkWholeRows(module, name, bias, stride, rows),
    )
    : module.define(
      `attention bias ${what} ${size}`,
      (_, name) => walkTile(module, name, bias, stride, runs),
    );
}

/**
 * `tile = bias`: see `walkTile`. Up to seven elements behind each row are overwritten.
 *
 * @param whole whether the columns of all tiles are all tokens of the window
 */
export function spreadBias(
  module: ModuleBuilder,
  bias: BiasTable,
  stride: number,
  whole: boolean,
): FunctionBuilder {
  return defineWalk(module, "spread", bias, stride, whole, {
    rows: (f, tile, base, { at, from }) => {
      // What is copied too much is overwritten by the next run.
      for (let offset = 0; offset < 4 * runLength(bias); offset += vectorBytes) {
        store(f, tile, wholeVector(at + offset), row(base, wholeVector(from + offset)));
      }
    },
    runs: (f, { count, scores, entries }) => {
      // What is copied too much is overwritten by the next run.
      const group = vectorsAtOnce * vectorElements;
      const groups = integer.shiftRight(integer.add(count, group - 1), Math.log2(group));
      f.withLocals(["i32"], (left) => {
        assign(f, left, groups);
        f.repeat(left, () => {
          eachVector(f, (at) => store(f, scores, at, row(entries, at)));
          f.increment(scores, group * 4).increment(entries, group * 4);
        });
      });
    },
  });
}

/**
 * `table += tile`: see `walkTile`.
 *
 * @param whole whether the columns of all tiles are all tokens of the window
 */
export function collectBias(
  module: ModuleBuilder,
  bias: BiasTable,
  stride: number,
  whole: boolean,
): FunctionBuilder {
  return defineWalk(module, "collect", bias, stride, whole, {
    rows: (f, tile, base, { at, from }) => {
      const length = runLength(bias);
      const vectors = Math.floor(length / vectorElements);
      for (let offset = 0; offset < vectors * vectorBytes; offset += vectorBytes) {
        const [score, entry] = [wholeVector(at + offset), wholeVector(from + offset)];
        store(f, base, entry, add(row(base, entry), row(tile, score)));
      }
      for (let element = vectors * vectorElements; element < length; element++) {
        addScalar(f, base, from + 4 * element, tile, at + 4 * element);
      }
    },
    runs: (f, { count, scores, entries }) => {
      const collect = (at: RowVector, gradient: Operand): void =>
        store(f, entries, at, add(row(entries, at), gradient));
      const group = vectorsAtOnce * vectorElements;
      f.withLocals(["i32"], (left) => {
        assign(f, left, integer.shiftRight(count, Math.log2(group)));
        f.repeat(left, () => {
          eachVector(f, (at) => collect(at, row(scores, at)));
          f.increment(scores, group * 4).increment(entries, group * 4);
        });
      });
      when(f, integer.and(count, vectorElements), () => {
        collect(wholeVector(0), row(scores, wholeVector(0)));
        f.increment(scores, vectorBytes).increment(entries, vectorBytes);
      });
      // Vectors of neighbouring short runs overlap: a load would wait for the store before it.
      for (const elements of [2, 1]) {
        when(f, integer.and(count, elements), () => {
          for (let at = 0; at < 4 * elements; at += 4) addScalar(f, entries, at, scores, at);
          f.increment(scores, 4 * elements).increment(entries, 4 * elements);
        });
      }
    },
  });
}

/** `sums[at] += values[from]` of single numbers. */
function addScalar(f: FunctionBuilder, sums: Local, at: number, values: Local, from: number): void {
  storeScalar(f, sums, at, scalar.add(scalar.load(sums, at), scalar.load(values, from)));
}

/** The vectors that are walked together. */
function eachVector(f: FunctionBuilder, body: (at: RowVector) => void): void {
  f.forVectors(vectorsAtOnce, (slot) => body(wholeVector(vectorBytes * slot, slot)));
}

/** (sums, result): gradients of the entries, from sums of those of scores before scaling. */
export function writeBiasGradient(
  module: ModuleBuilder,
  name: string,
  { entries }: BiasTable,
  scale: number,
): FunctionBuilder {
  const f = module.function(name, ["i32", "i32"], []);
  forEachVector(f, entries, f.parameters, 4, (at, [sums, result]) => {
    store(f, result, at, multiply(row(sums, at), 1 / scale));
  });
  return f;
}
