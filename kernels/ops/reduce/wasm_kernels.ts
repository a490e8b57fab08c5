/**
 * The two reduction kernels.
 *
 * The row kernel produces one result after another and walks along the innermost reduced axis with
 * several vector accumulators. The column kernel produces a row of neighbouring results: it walks
 * down the innermost reduced axis with one accumulator lane a result, in blocks of rows small
 * enough for the second-level cache, and adds the sum of each block to the result, which keeps
 * rounding errors of long sums small.
 *
 * @module
 */
import { type Expression, load, loadedInputs } from "../../expression.ts";
import { loadStrided, setRowPointers } from "../../wasm/emit/addressing.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import type { LoopNest } from "../../wasm/collapse.ts";
import { address, eachLane, integer } from "../../wasm/emit/integers.ts";
import {
  add,
  applied,
  assign,
  kept,
  maximum,
  type Operand,
  row,
  select,
  spread,
  store,
  type Value,
  withVector,
} from "../../wasm/emit/values.ts";
import { horizontalMaximum, horizontalSum } from "../../wasm/emit/math.ts";
import { emitExpression, expressionWeight } from "../../wasm/emit/vector_expression.ts";
import { type Turn, walkElements } from "../../wasm/emit/walk.ts";

/** What a reduction is specialised to. Operands are numbered as the expression's loads. */
export interface ReduceKernel {
  readonly operator: "sum" | "maximum";
  readonly expression: Expression;
  /** Applied to the reduced value, `load(0)`. */
  readonly finish: Expression;
  /** Axes of the results; strides of the inputs, then of the output. */
  readonly kept: LoopNest;
  /** Reduced axes; strides of the inputs. */
  readonly reduced: LoopNest;
}

/** Accumulators that run side by side: of light expressions, and of those that need registers. */
interface Unroll {
  readonly light: number;
  readonly heavy: number;
}

/** Along a row; the order of its sum depends on them. */
const rowUnroll: Unroll = { light: 4, heavy: 2 };

/** Of neighbouring columns, each with a sum of its own: additions to one wait for each other. */
const columnUnroll: Unroll = { light: 16, heavy: 8 };

/** Rows that a block of a column reduction has. */
const blockRows = 64;

const operators = {
  sum: { identity: 0, combine: add, horizontal: horizontalSum },
  maximum: { identity: -Infinity, combine: maximum, horizontal: horizontalMaximum },
};

/** What both kernels need: operands, pointers, the value of an element. */
class ReductionEmitter {
  readonly f: FunctionBuilder;
  readonly operator;
  readonly unroll: number;
  /** Operands the expression reads. */
  readonly used: readonly number[];
  readonly output: Local;
  readonly #inputs: readonly Local[];
  readonly innerStrides: readonly number[];

  constructor(
    module: ModuleBuilder,
    name: string,
    readonly kernel: ReduceKernel,
    ranges: number,
    unroll: Unroll,
  ) {
    const operands = kernel.kept.strides.length;
    this.f = module.function(name, new Array(2 * ranges + operands).fill("i32"), []);
    this.operator = operators[kernel.operator];
    this.unroll = expressionWeight(kernel.expression) <= 24 ? unroll.light : unroll.heavy;
    this.used = loadedInputs(kernel.expression);
    const addresses = this.f.parameters.slice(2 * ranges);
    this.output = addresses[operands - 1];
    this.#inputs = this.used.map((k) => addresses[k]);
    this.innerStrides = this.used.map((k) => kernel.reduced.strides[k].at(-1) ?? 0);
  }

  /** New pointers, one for every operand that is read. */
  pointers(): Local[] {
    return this.f.locals("i32", this.used.length);
  }

  /** Points at the result `index` in the first `axes` kept axes. */
  setKeptPointers(index: Local, axes: number, pointers: readonly Local[], output: Local): void {
    const { kept } = this.kernel;
    const strides = [...this.used.map((k) => kept.strides[k]), kept.strides.at(-1)!];
    setRowPointers(
      this.f,
      index,
      kept.sizes.slice(0, axes),
      strides.map((of) => of.slice(0, axes)),
      [...this.#inputs, this.output],
      [...pointers, output],
    );
  }

  /** Points at element `innerStart` of the group `index` of reduced axes. */
  setGroupPointers(
    index: Local,
    innerStart: Local,
    bases: readonly Local[],
    pointers: readonly Local[],
  ): void {
    const { f, kernel: { reduced } } = this;
    const strides = this.used.map((k) => reduced.strides[k].slice(0, -1));
    setRowPointers(f, index, reduced.sizes.slice(0, -1), strides, bases, pointers);
    this.move(pointers, this.innerStrides, innerStart);
  }

  /** Moves pointers by `count` (local) times their strides. */
  move(pointers: readonly Local[], strides: readonly number[], count: Local): void {
    pointers.forEach((pointer, i) => {
      if (strides[i] === 0) return;
      assign(this.f, pointer, address(pointer, [count, 4 * strides[i]]));
    });
  }

  /** Moves pointers by a constant number of elements. */
  advance(pointers: readonly Local[], strides: readonly number[], count: number): void {
    pointers.forEach((pointer, i) => this.f.increment(pointer, 4 * strides[i] * count));
  }

  /** The expression at `first` elements from the pointers. */
  value(
    pointers: readonly Local[],
    strides: readonly number[],
    first: number,
    lanes: 1 | 4,
  ): Value {
    return (f) =>
      emitExpression(f, this.kernel.expression, (k) => {
        const i = this.used.indexOf(k);
        loadStrided(f, pointers[i], strides[i], first, lanes);
      });
  }

  /** The finished vector of a reduced one. */
  finished(reduced: Value): Value {
    const { finish } = this.kernel;
    if (finish === load(0)) return reduced;
    return (f) =>
      void withVector(f, reduced, (local) => emitExpression(f, finish, () => f.get(local)));
  }
}

/** Emits `name(resultStart, End, groupStart, End, innerStart, End, ...inputs, output)`. */
export function emitRowReduction(
  module: ModuleBuilder,
  name: string,
  kernel: ReduceKernel,
): FunctionBuilder {
  const e = new ReductionEmitter(module, name, kernel, 3, rowUnroll);
  const { f, operator } = e;
  const [result, resultEnd, groupStart, groupEnd, innerStart, innerEnd] = f.parameters;
  const [bases, pointers] = [e.pointers(), e.pointers()];
  const [group, remaining, output] = f.locals("i32", 3);
  const sums = f.locals("v128", e.unroll);
  f.forRange(result, resultEnd, 1, () => {
    e.setKeptPointers(result, kernel.kept.sizes.length, bases, output);
    for (const sum of sums) assign(f, sum, operator.identity);
    assign(f, group, groupStart);
    f.forRange(group, groupEnd, 1, () => {
      e.setGroupPointers(group, innerStart, bases, pointers);
      assign(f, remaining, integer.subtract(innerEnd, innerStart));
      walkElements(f, remaining, e.unroll, (turn) => accumulateRow(e, pointers, sums, turn));
    });
    const sum = sums.slice(1).reduce<Operand>((a, b) => operator.combine(a, b), sums[0]);
    const reduced = spread(applied(operator.horizontal, sum));
    store(f, output, { lanes: 1, offset: 0, slot: 0 }, e.finished(reduced));
  });
  return f;
}

function accumulateRow(
  e: ReductionEmitter,
  pointers: readonly Local[],
  sums: readonly Local[],
  { vectors, lanes, elements }: Turn,
): void {
  const { identity, combine } = e.operator;
  e.f.forVectors(vectors, (vector) => {
    const value = e.value(pointers, e.innerStrides, 4 * vector, lanes);
    // Beside a single element, the other lanes hold the expression of zeros: they must not count.
    const counted = lanes === 1 ? select(eachLane(-1, 0, 0, 0), value, identity) : value;
    assign(e.f, sums[vector], combine(sums[vector], counted));
  });
  e.advance(pointers, e.innerStrides, elements);
}

/** Emits `name(rowStart, End, columnStart, End, groupStart, End, innerStart, End, ...addresses)`. */
export function emitColumnReduction(
  module: ModuleBuilder,
  name: string,
  kernel: ReduceKernel,
): FunctionBuilder {
  const e = new ReductionEmitter(module, name, kernel, 4, columnUnroll);
  const { f, operator } = e;
  const [line, lineEnd, columnStart, columnEnd, groupStart, groupEnd, innerStart, innerEnd] =
    f.parameters;
  const [bases, groupPointers] = [e.pointers(), e.pointers()];
  const [group, block, rows, output] = f.locals("i32", 4);
  const columnStrides = e.used.map((k) => kernel.kept.strides[k].at(-1)!);
  const columns = new ColumnWalker(e, columnStrides, columnStart, columnEnd);
  f.forRange(line, lineEnd, 1, () => {
    e.setKeptPointers(line, kernel.kept.sizes.length - 1, bases, output);
    e.move([...bases, output], [...columnStrides, 1], columnStart);
    columns.update(output, () => operator.identity);
    assign(f, group, groupStart);
    f.forRange(group, groupEnd, 1, () => {
      e.setGroupPointers(group, innerStart, bases, groupPointers);
      assign(f, block, innerStart);
      f.forRange(block, innerEnd, blockRows, () => {
        const rest = kept(rows, integer.subtract(innerEnd, block));
        assign(f, rows, integer.select(integer.less(rows, blockRows), rest, blockRows));
        columns.accumulate(groupPointers, rows, output);
        e.advance(groupPointers, e.innerStrides, blockRows);
      });
    });
    if (kernel.finish !== load(0)) columns.update(output, (old) => e.finished(old));
  });
  return f;
}

/** Walks over the columns of one row of results. */
class ColumnWalker {
  readonly #f: FunctionBuilder;

  constructor(
    readonly e: ReductionEmitter,
    readonly strides: readonly number[],
    readonly start: Local,
    readonly end: Local,
  ) {
    this.#f = e.f;
  }

  /** Walks along the results from `output` on; `body` gets a pointer that goes along. */
  #walk(output: Local, body: (turn: Turn, result: Local) => void): void {
    this.#f.withLocals(["i32", "i32"], (remaining, result) => {
      assign(this.#f, result, output);
      assign(this.#f, remaining, integer.subtract(this.end, this.start));
      walkElements(this.#f, remaining, this.e.unroll, (turn) => {
        body(turn, result);
        this.#f.increment(result, 4 * turn.elements);
      });
    });
  }

  /** Replaces all results; `value` is given the old one. */
  update(output: Local, value: (old: Value) => Operand): void {
    this.#walk(output, ({ vectors, lanes }, result) => {
      this.#f.forVectors(vectors, (vector) => {
        const at = { lanes, offset: 16 * vector, slot: 0 };
        store(this.#f, result, at, value(row(result, at)));
      });
    });
  }

  /** Reduces `rows` rows from `starts` on and combines them with the results. */
  accumulate(starts: readonly Local[], rows: Local, output: Local): void {
    const { e } = this;
    const f = this.#f;
    const [columnPointers, pointers] = [e.pointers(), e.pointers()];
    const sums = f.locals("v128", e.unroll);
    const { identity, combine } = e.operator;
    starts.forEach((start, i) => assign(f, columnPointers[i], start));
    this.#walk(output, ({ vectors, lanes, elements }, result) => {
      columnPointers.forEach((pointer, i) => assign(f, pointers[i], pointer));
      for (const sum of sums.slice(0, vectors)) assign(f, sum, identity);
      f.withLocals(["i32"], (counter) => {
        assign(f, counter, rows);
        f.repeat(counter, () => {
          f.forVectors(vectors, (vector) => {
            const value = e.value(pointers, this.strides, 4 * vector, lanes);
            assign(f, sums[vector], combine(sums[vector], value));
          });
          e.advance(pointers, e.innerStrides, 1);
        });
      });
      f.forVectors(vectors, (vector) => {
        const at = { lanes, offset: 16 * vector, slot: 0 };
        store(f, result, at, combine(row(result, at), sums[vector]));
      });
      e.advance(columnPointers, this.strides, elements);
    });
  }
}
