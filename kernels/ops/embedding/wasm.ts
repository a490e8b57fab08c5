/**
 * Table look-ups and their gradient in WebAssembly.
 *
 * A look-up divides the indices over the threads. Its gradient divides the columns instead: every
 * thread walks all indices in order and adds its own columns, so that sums have a fixed order and
 * no two threads write to the same element.
 *
 * @module
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import { integer } from "../../wasm/emit/integers.ts";
import { forEachVector } from "../../wasm/emit/lanes.ts";
import { add, assign, row, store, type Value, when } from "../../wasm/emit/values.ts";
import type { WasmLowering } from "../../wasm/lowering.ts";
import { splitEvenly, splitPhase } from "../../wasm/split.ts";
import type { GatherStep, ScatterAddStep } from "./step.ts";

const unroll = 4;

/** Loads the index at `indices` into `index` and moves on. */
function nextIndex(f: FunctionBuilder, indices: Local, index: Local): void {
  assign(f, index, integer.load(indices));
  f.increment(indices, 4);
}

/** Whether an index names a row of the table. */
const isRow = (index: Local, rows: number): Value => integer.less(index, rows);

/** (table, indices, output, count): copies `count` rows. */
function emitGather(
  module: ModuleBuilder,
  name: string,
  rows: number,
  width: number,
): FunctionBuilder {
  const f = module.function(name, ["i32", "i32", "i32", "i32"], []);
  const [table, indices, output, count] = f.parameters;
  const [index, source] = f.locals("i32", 2);
  f.repeat(count, () => {
    nextIndex(f, indices, index);
    const guarded = integer.select(isRow(index, rows), index, 0);
    assign(f, source, integer.add(integer.multiply(guarded, 4 * width), table));
    forEachVector(f, width, [source, output], unroll, (at, [from, to]) => {
      store(f, to, at, row(from, at));
    });
    f.increment(output, 4 * width);
  });
  return f;
}

/** `output[i] = table[indices[i]]`. */
export const lowerGather: WasmLowering<GatherStep> = (step, context) => {
  const [rows, width] = step.table.shape;
  const [count] = step.indices.shape;
  const name = `gather ${rows} ${width}`;
  context.define(name, (module) => emitGather(module, name, rows, width));
  const layout = "contiguous";
  const table = context.address(step.table, { shape: [rows, width], layout });
  const indices = context.address(step.indices, { shape: [count], layout });
  const output = context.address(step.output, { shape: [count, width], layout, written: true });
  return [
    splitPhase(splitEvenly(count, context.threads), ({ start, end }) => [{
      function: name,
      arguments: [table, indices + 4 * start, output + 4 * width * start, end - start],
    }]),
  ];
};

interface ScatterKernel {
  readonly rows: number;
  /** Columns of the tensors. */
  readonly width: number;
  /** Columns a call adds up. */
  readonly columns: number;
}

/** (indices, source, output, count): clears the columns of the output, then adds `count` rows. */
function emitScatterAdd(
  module: ModuleBuilder,
  name: string,
  { rows, width, columns }: ScatterKernel,
): FunctionBuilder {
  const f = module.function(name, ["i32", "i32", "i32", "i32"], []);
  const [indices, source, output, count] = f.parameters;
  const [index, target, left] = f.locals("i32", 3);
  assign(f, target, output);
  assign(f, left, rows);
  f.repeat(left, () => {
    forEachVector(f, columns, [target], unroll, (at, [to]) => store(f, to, at, 0));
    f.increment(target, 4 * width);
  });
  f.repeat(count, () => {
    nextIndex(f, indices, index);
    when(f, isRow(index, rows), () => {
      assign(f, target, integer.add(integer.multiply(index, 4 * width), output));
      forEachVector(f, columns, [source, target], unroll, (at, [from, to]) => {
        store(f, to, at, add(row(to, at), row(from, at)));
      });
    });
    f.increment(source, 4 * width);
  });
  return f;
}

/** Columns a thread owns are whole cache lines. */
const columnGrain = 16;

/** `output[r] = sum of source[i] over all i with indices[i] = r`. */
export const lowerScatterAdd: WasmLowering<ScatterAddStep> = (step, context) => {
  const [rows, width] = step.output.shape;
  const [count] = step.indices.shape;
  const layout = "contiguous";
  const indices = context.address(step.indices, { shape: [count], layout });
  const source = context.address(step.source, { shape: [count, width], layout });
  const output = context.address(step.output, { shape: [rows, width], layout, written: true });
  return [
    splitPhase(splitEvenly(width, context.threads, columnGrain), ({ start, end }) => {
      const columns = end - start;
      const name = `scatterAdd ${rows} ${width} ${columns}`;
      context.define(name, (module) => emitScatterAdd(module, name, { rows, width, columns }));
      const first = 4 * start;
      return [{ function: name, arguments: [indices, source + first, output + first, count] }];
    }),
  ];
};
