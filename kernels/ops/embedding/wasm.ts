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
import { forEachVector, loadRow, storeRow } from "../../wasm/emit/lanes.ts";
import type { WasmLowering } from "../../wasm/lowering.ts";
import { splitEvenly, splitPhase } from "../../wasm/split.ts";
import type { GatherStep, ScatterAddStep } from "./step.ts";

const unroll = 4;

/** Loads the index at `indices` into `index` and moves on. */
function nextIndex(f: FunctionBuilder, indices: Local, index: Local): void {
  f.get(indices).i32Load().set(index).increment(indices, 4);
}

/** Pushes whether an index names a row of the table. */
function isRow(f: FunctionBuilder, index: Local, rows: number): void {
  f.get(index).i32Const(rows).i32LtU();
}

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
    f.get(index).i32Const(0);
    isRow(f, index, rows);
    f.select().i32Const(4 * width).i32Mul().get(table).i32Add().set(source);
    forEachVector(f, width, [source, output], unroll, (vector, [from, to]) => {
      storeRow(f, to, vector, () => loadRow(f, from, vector));
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
  f.get(output).set(target).i32Const(rows).set(left);
  f.repeat(left, () => {
    forEachVector(f, columns, [target], unroll, (vector, [to]) => {
      storeRow(f, to, vector, () => f.f32x4Const(0));
    });
    f.increment(target, 4 * width);
  });
  f.repeat(count, () => {
    nextIndex(f, indices, index);
    isRow(f, index, rows);
    f.if(() => {
      f.get(index).i32Const(4 * width).i32Mul().get(output).i32Add().set(target);
      forEachVector(f, columns, [source, target], unroll, (vector, [from, to]) => {
        storeRow(f, to, vector, () => {
          loadRow(f, to, vector);
          loadRow(f, from, vector);
          f.f32x4Add();
        });
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
