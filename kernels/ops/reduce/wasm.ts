/**
 * Reductions in WebAssembly: what is called, and which thread calls it. The kernels themselves are
 * in `wasm_kernels.ts`.
 *
 * Kept and reduced axes are collapsed separately. The results are divided over the threads. Where
 * there are too few results for that (the sum of a whole tensor), the reduced axes are cut into
 * chunks whose number depends on the sizes alone, every chunk gives partial results, and a second
 * reduction combines them: so the result does not depend on the number of threads.
 *
 * @module
 */
import { load } from "../../expression.ts";
import { contiguousStrides } from "../../shape.ts";
import { collapseAxes, type LoopNest, nestName } from "../../wasm/collapse.ts";
import type { Call, Phase, WasmContext } from "../../wasm/lowering.ts";
import { type Range, splitAmong, splitEvenly, splitPhase } from "../../wasm/split.ts";
import type { ReduceStep } from "./step.ts";
import { emitColumnReduction, emitRowReduction, type ReduceKernel } from "./wasm_kernels.ts";

/** Fewer elements than this are not worth a second thread. */
const elementsPerThread = 8192;

/** Reductions of more elements than this to few results are cut into chunks of about this size. */
const chunkElements = 32768;
const maximumChunks = 64;

/** Work that counts as "few results": fewer vectors of results than this. */
const fewResults = 16;

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const last = (numbers: readonly number[], otherwise: number): number => numbers.at(-1) ?? otherwise;

/** A reduction with its addresses: inputs, then output. */
interface Task {
  readonly kernel: ReduceKernel;
  readonly addresses: readonly number[];
}

/** A box of the iteration space. */
interface Box {
  readonly results: Range;
  readonly columns: Range;
  readonly groups: Range;
  readonly inner: Range;
}

/** Turns a reduction into one phase, or two when it is cut into chunks. */
export function lowerReduce(step: ReduceStep, context: WasmContext): Phase[] {
  const rank = step.output.shape.length;
  const reduced = (step.inputs[0]?.shape ?? step.output.shape).slice(rank);
  const strides = step.inputs.map((view) => view.strides);
  const kernel: ReduceKernel = {
    operator: step.operator,
    expression: step.expression,
    finish: step.finish,
    kept: collapseAxes(
      step.output.shape,
      [...strides.map((of) => of.slice(0, rank)), step.output.strides],
    ),
    reduced: collapseAxes(reduced, strides.map((of) => of.slice(rank))),
  };
  const { shape } = step.output;
  const addresses = [
    ...step.inputs.map((view) => context.address(view, { shape: [...shape, ...reduced] })),
    context.address(step.output, { shape, written: true }),
  ];
  return lowerTask({ kernel, addresses }, context);
}

function lowerTask(task: Task, context: WasmContext): Phase[] {
  const { kept, reduced } = task.kernel;
  const results = product(kept.sizes);
  const total = results * product(reduced.sizes);
  const byColumns = reducesColumns(task.kernel);
  const whole = wholeBox(task.kernel, byColumns);
  const parallel = byColumns ? results / 4 : results;
  const chunkAxis = whole.groups.end > 1 ? "groups" : "inner";
  const chunks = Math.min(maximumChunks, Math.ceil(total / chunkElements), whole[chunkAxis].end);
  if (parallel < fewResults && chunks > 1) {
    return lowerChunks(task, context, whole, chunkAxis, chunks);
  }
  const workers = Math.min(context.threads, Math.ceil(total / elementsPerThread));
  const call = emitKernel(task, context, byColumns);
  const splitColumns = byColumns && whole.results.end < 4 * workers;
  const axis = splitColumns ? "columns" : "results";
  const ranges = splitAmong(workers, context.threads, whole[axis].end, splitColumns ? 16 : 1);
  return [splitPhase(ranges, (range) => [call({ ...whole, [axis]: range })])];
}

/** Reduces chunks to partial results in the first thread's scratch memory, then those. */
function lowerChunks(
  { kernel, addresses }: Task,
  context: WasmContext,
  whole: Box,
  axis: "groups" | "inner",
  chunks: number,
): Phase[] {
  const results = product(kernel.kept.sizes);
  const inputs = addresses.slice(0, -1);
  const partialAddress = context.scratch(0, 4 * results * chunks);
  const partial: ReduceKernel = {
    ...kernel,
    finish: load(0),
    kept: withOutputStrides(kernel.kept, contiguousStrides(kernel.kept.sizes)),
  };
  const calls = splitEvenly(whole[axis].end, chunks).map((range, chunk) => {
    const output = partialAddress + 4 * results * chunk;
    const task = { kernel: partial, addresses: [...inputs, output] };
    return emitKernel(task, context, reducesColumns(partial))({ ...whole, [axis]: range });
  });
  const combine: ReduceKernel = {
    operator: kernel.operator,
    expression: load(0),
    finish: kernel.finish,
    kept: {
      sizes: kernel.kept.sizes,
      strides: [contiguousStrides(kernel.kept.sizes), kernel.kept.strides.at(-1)!],
    },
    reduced: { sizes: [chunks], strides: [[results]] },
  };
  const perThread = splitEvenly(chunks, context.threads);
  return [
    splitPhase(perThread, ({ start, end }) => calls.slice(start, end)),
    ...lowerTask({ kernel: combine, addresses: [partialAddress, addresses.at(-1)!] }, context),
  ];
}

function withOutputStrides(kept: LoopNest, output: readonly number[]): LoopNest {
  return { sizes: kept.sizes, strides: [...kept.strides.slice(0, -1), output] };
}

/**
 * Whether to walk along the kept axis: when more operands are contiguous there than along the
 * reduced axis.
 */
function reducesColumns({ kept, reduced }: ReduceKernel): boolean {
  if (last(kept.sizes, 1) < 4 || last(kept.strides.at(-1)!, 0) !== 1) return false;
  const contiguous = (strides: readonly (readonly number[])[]) =>
    strides.filter((of) => last(of, 0) === 1).length;
  const alongKept = contiguous(kept.strides.slice(0, -1));
  return alongKept > contiguous(reduced.strides) || last(reduced.sizes, 1) < 4 && alongKept > 0;
}

function wholeBox({ kept, reduced }: ReduceKernel, byColumns: boolean): Box {
  const range = (end: number): Range => ({ start: 0, end });
  return {
    results: range(product(byColumns ? kept.sizes.slice(0, -1) : kept.sizes)),
    columns: range(byColumns ? last(kept.sizes, 1) : 1),
    groups: range(product(reduced.sizes.slice(0, -1))),
    inner: range(last(reduced.sizes, 1)),
  };
}

/** Makes sure the kernel exists and gives a function from boxes to calls. */
function emitKernel(
  { kernel, addresses }: Task,
  context: WasmContext,
  byColumns: boolean,
): (box: Box) => Call {
  const { operator, expression, finish, kept, reduced } = kernel;
  const form = byColumns ? "columns" : "rows";
  const ids = `${expression.id}_${finish.id}`;
  const name = `${operator}_${form}_${ids}_of_${nestName(kept)}_over_${nestName(reduced)}`;
  const emit = byColumns ? emitColumnReduction : emitRowReduction;
  context.define(name, (module) => emit(module, name, kernel));
  return ({ results, columns, groups, inner }) => ({
    function: name,
    arguments: [results, ...(byColumns ? [columns] : []), groups, inner]
      .flatMap(({ start, end }) => [start, end]).concat(addresses),
  });
}
