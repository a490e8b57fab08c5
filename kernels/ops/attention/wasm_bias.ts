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
import { forEachVector, type RowVector, vectorBytes } from "../../wasm/emit/lanes.ts";
import {
  add,
  and,
  multiply,
  type Operand,
  row,
  scalar,
  store,
  storeScalar,
} from "../../wasm/emit/values.ts";
import type { BiasTable } from "./relative_bias.ts";
import { setTailMask } from "./wasm_rows.ts";
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
    f.i32Const(bias.entries).set(left);
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
  f.i32Const(runCount(bias)).set(left);
  f.repeat(left, () => {
    f.get(places).get(place).i32Store().increment(places, 4).increment(run, 1);
    let span = 1;
    // The next run is one on along its axis; where an axis ends, that is one on along the axis before.
    for (let axis = window.length - 2; axis >= 0; axis--) {
      const step = strides[axis];
      if (span === 1) f.increment(place, step);
      else f.get(run).i32Const(span).i32RemU().i32Eqz().if(() => f.increment(place, step));
      span *= window[axis];
      const back = -window[axis] * step;
      f.get(run).i32Const(span).i32RemU().i32Eqz().if(() => f.increment(place, back));
    }
  });
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
  body: (f: FunctionBuilder, run: Run) => void,
): FunctionBuilder {
  const f = module.function(name, new Array<"i32">(7).fill("i32"), []);
  const [tile, rows, columns, firstRow, firstColumn, entries, places] = f.parameters;
  const [base, run, within, left, position] = f.locals("i32", 5);
  const [count, scores, from] = f.locals("i32", 3);
  const length = runLength(bias);
  /** Pushes the address of what the list says of the run of a token. */
  const pushRun = (token: Local): void => {
    f.get(token).i32Const(length).i32DivU().i32Const(2).i32Shl().get(places).i32Add();
  };
  f.repeat(rows, () => {
    f.get(entries).i32Const(bias.middle);
    pushRun(firstRow);
    f.i32Load().i32Sub().get(firstRow).i32Const(length).i32RemU().i32Sub();
    f.i32Const(2).i32Shl().i32Add().set(base);
    pushRun(firstColumn);
    f.set(run).get(firstColumn).i32Const(length).i32RemU().set(within);
    f.get(columns).set(left).get(tile).set(position);
    f.loop((next) => {
      f.i32Const(length).get(within).i32Sub().set(count);
      f.get(count).get(left).get(count).get(left).i32LtU().select().set(count);
      f.get(run).i32Load().get(within).i32Add().i32Const(2).i32Shl().get(base).i32Add().set(from);
      f.get(position).set(scores);
      body(f, { count, scores, entries: from });
      f.get(count).i32Const(2).i32Shl().get(position).i32Add().set(position);
      f.increment(run, 4).i32Const(0).set(within);
      f.get(left).get(count).i32Sub().tee(left).branchIf(next);
    });
    f.increment(tile, stride).increment(firstRow, 1);
  });
  return f;
}

/** `tile = bias`: see `walkTile`. Up to seven elements behind each row are overwritten. */
export function spreadBias(module: ModuleBuilder, bias: BiasTable, stride: number) {
  return module.define(
    `attention bias spread ${bias.window} ${stride}`,
    (_, name) =>
      walkTile(module, name, bias, stride, (f, { count, scores, entries }) => {
        // What is copied too much is overwritten by the next run.
        const group = vectorsAtOnce * vectorElements;
        f.get(count).i32Const(group - 1).i32Add().i32Const(Math.log2(group)).i32ShrU();
        f.withLocals(["i32"], (left) => {
          f.set(left);
          f.repeat(left, () => {
            eachVector(f, (at) => store(f, scores, at, row(entries, at)));
            f.increment(scores, group * 4).increment(entries, group * 4);
          });
        });
      }),
  );
}

/** `table += tile`: see `walkTile`. */
export function collectBias(module: ModuleBuilder, bias: BiasTable, stride: number) {
  return module.define(
    `attention bias collect ${bias.window} ${stride}`,
    (_, name) =>
      walkTile(module, name, bias, stride, (f, { count, scores, entries }) => {
        const collect = (at: RowVector, gradient: Operand): void =>
          store(f, entries, at, add(row(entries, at), gradient));
        const group = vectorsAtOnce * vectorElements;
        f.withLocals(["i32"], (left) => {
          f.get(count).i32Const(Math.log2(group)).i32ShrU().set(left);
          f.repeat(left, () => {
            eachVector(f, (at) => collect(at, row(scores, at)));
            f.increment(scores, group * 4).increment(entries, group * 4);
          });
        });
        f.get(count).i32Const(vectorElements).i32And().if(() => {
          collect(wholeVector(0), row(scores, wholeVector(0)));
          f.increment(scores, vectorBytes).increment(entries, vectorBytes);
        });
        f.get(count).i32Const(vectorElements - 1).i32And().if(() => {
          f.withLocals(["v128"], (mask) => {
            setTailMask(f, count, mask);
            collect(wholeVector(0), and(row(scores, wholeVector(0)), mask));
          });
        });
      }),
  );
}

const wholeVector = (slot: number): RowVector => ({
  lanes: vectorElements,
  offset: vectorBytes * slot,
  slot,
});

/** The vectors that are walked together. */
function eachVector(f: FunctionBuilder, body: (at: RowVector) => void): void {
  f.forVectors(vectorsAtOnce, (slot) => body(wholeVector(slot)));
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
