/**
 * Element-wise steps in WebAssembly.
 *
 * The step's axes are collapsed, the innermost one is walked with vectors of four elements (several
 * a turn), the others form rows whose addresses are computed once a row. Every operand is read by
 * the cheapest means its innermost stride allows: a vector load, one value for the whole row, or
 * four lane loads. The generated function works on a rectangle of rows and columns, so that matrix
 * products can apply it to a block they have just finished.
 *
 * @module
 */
import type { Expression } from "../../expression.ts";
import { loadedInputs } from "../../expression.ts";
import type { Shape } from "../../shape.ts";
import type { View } from "../../view.ts";
import { loadStrided, setRowPointers } from "../../wasm/emit/addressing.ts";
import {
  type FunctionBuilder,
  type Local,
  type ModuleBuilder,
  vectorElements,
} from "../../wasm/emit/assembler.ts";
import { collapseAxes, type LoopNest, nestName } from "../../wasm/collapse.ts";
import { address, integer } from "../../wasm/emit/integers.ts";
import { assign, splat, store, type Value } from "../../wasm/emit/values.ts";
import type { Phase, WasmContext } from "../../wasm/lowering.ts";
import { chunks, splitAmong, splitPhase } from "../../wasm/split.ts";
import { emitExpression, expressionWeight } from "../../wasm/emit/vector_expression.ts";
import { walkElements } from "../../wasm/emit/walk.ts";
import type { ElementwiseStep } from "./step.ts";

/**
 * What an element-wise function is specialised to. Operands are numbered as the expression's loads,
 * the output comes last. The last axis holds the columns.
 */
export interface ElementwiseKernel {
  readonly nest: LoopNest;
  readonly expression: Expression;
}

/** Fewer elements than this are not worth a second thread. */
const elementsPerThread = 4096;

/** Elements of a cache line. */
const lineElements = 16;

/** Columns of a strip in transpositions: their lines fit the cache even when they collide in it. */
const transposeColumns = 16;

/** The name of the function for a kernel. */
export function elementwiseName({ nest, expression }: ElementwiseKernel): string {
  return `elementwise_${expression.id}_${nestName(nest)}`;
}

/**
 * Emits `name(rowStart, rowEnd, columnStart, columnEnd, ...operand addresses, output address)`.
 *
 * Addresses are those of the operands' first elements, whatever the rectangle.
 */
export function emitElementwise(
  module: ModuleBuilder,
  name: string,
  { nest, expression }: ElementwiseKernel,
): FunctionBuilder {
  const operands = nest.strides.length;
  const f = module.function(name, new Array(4 + operands).fill("i32"), []);
  const [row, rowEnd, columnStart, columnEnd, ...bases] = f.parameters;
  const outer = nest.sizes.slice(0, -1);
  const inner = nest.strides.map((strides) => strides[strides.length - 1] ?? 1);
  const outerStrides = nest.strides.map((strides) => strides.slice(0, -1));
  const pointers = f.locals("i32", operands);
  const used = loadedInputs(expression);
  const walker = new RowWalker(f, expression, inner, pointers, used);
  for (const k of [...used, operands - 1]) {
    if (inner[k] === 0) continue;
    assign(f, bases[k], address(bases[k], [columnStart, 4 * inner[k]]));
  }
  f.forRange(row, rowEnd, 1, () => {
    const pick = <T>(list: readonly T[]): T[] => [...used, operands - 1].map((k) => list[k]);
    setRowPointers(f, row, outer, pick(outerStrides), pick(bases), pick(pointers));
    walker.emitRow(integer.subtract(columnEnd, columnStart));
  });
  return f;
}

/** Emits the walk along one row. */
class RowWalker {
  readonly #unroll: number;
  /** Operands with one value a row. */
  readonly #splats = new Map<number, Local>();
  readonly #output: number;

  constructor(
    readonly f: FunctionBuilder,
    readonly expression: Expression,
    readonly strides: readonly number[],
    readonly pointers: readonly Local[],
    readonly used: readonly number[],
  ) {
    const weight = expressionWeight(expression);
    const unroll = weight <= 12 ? 4 : weight <= 48 ? 2 : 1;
    this.#unroll = Math.max(unroll, f.module.lanes / vectorElements);
    this.#output = pointers.length - 1;
    for (const k of used) if (strides[k] === 0) this.#splats.set(k, f.local("v128"));
  }

  emitRow(count: Value): void {
    const { f } = this;
    for (const [k, local] of this.#splats) assign(f, local, splat(this.pointers[k]));
    f.withLocals(["i32"], (remaining) => {
      assign(f, remaining, count);
      walkElements(f, remaining, this.#unroll, ({ vectors, lanes, elements }) => {
        f.forVectors(vectors, (vector) => this.#compute(4 * vector, lanes));
        for (const k of [...this.used, this.#output]) {
          f.increment(this.pointers[k], 4 * elements * this.strides[k]);
        }
      });
    });
  }

  #compute(first: number, lanes: 1 | 4): void {
    const { f } = this;
    const at = { lanes, offset: 4 * first, slot: 0 };
    store(f, this.pointers[this.#output], at, () =>
      emitExpression(f, this.expression, (k) => {
        const splat = this.#splats.get(k);
        if (splat) f.get(splat);
        else loadStrided(f, this.pointers[k], this.strides[k], first, lanes);
      }));
  }
}

/** The kernel of a step whose operands (output last) are read through views. */
function kernelOf(operands: readonly View[], expression: Expression): ElementwiseKernel {
  const shape = operands[operands.length - 1].shape;
  const nest = collapseAxes(shape, operands.map((view) => view.strides));
  const innermost = nest.strides[operands.length - 1].at(-1) ?? 1;
  return { nest: innermost === 1 ? nest : withUnitAxis(nest), expression };
}

/**
 * The kernel of an expression on operands (output last) with the given strides, whose rows are all
 * axes of `shape` but the last: it can be called for a rectangle of rows and columns.
 */
export function rowsKernel(
  expression: Expression,
  shape: Shape,
  strides: readonly (readonly number[])[],
): ElementwiseKernel {
  const rows = collapseAxes(shape.slice(0, -1), strides.map((of) => of.slice(0, -1)));
  const columns = shape[shape.length - 1];
  return {
    expression,
    nest: {
      sizes: [...rows.sizes, columns],
      strides: rows.strides.map((of, i) => [...of, columns === 1 ? 1 : strides[i].at(-1)!]),
    },
  };
}

/** A nest with a last axis of one element: vectors are only stored side by side. */
function withUnitAxis({ sizes, strides }: LoopNest): LoopNest {
  return { sizes: [...sizes, 1], strides: strides.map((of) => [...of, 1]) };
}

/** Turns an element-wise step into one phase: rows, or else columns, are divided over threads. */
export function lowerElementwise(step: ElementwiseStep, context: WasmContext): Phase[] {
  const operands = [...step.inputs, step.output];
  const kernel = kernelOf(operands, step.expression);
  const name = elementwiseName(kernel);
  context.define(name, (module) => emitElementwise(module, name, kernel));
  const { sizes } = kernel.nest;
  const columns = sizes[sizes.length - 1] ?? 1;
  const rows = sizes.slice(0, -1).reduce((a, b) => a * b, 1);
  const { shape } = step.output;
  const addresses = operands.map((view) =>
    context.address(view, { shape, written: view === step.output })
  );
  const workers = Math.min(context.threads, Math.ceil(rows * columns / elementsPerThread));
  const byRows = rows >= 4 * workers;
  const ranges = byRows
    ? splitAmong(workers, context.threads, rows)
    : splitAmong(workers, context.threads, columns, 16);
  const width = readsAcrossLines(kernel.nest) ? transposeColumns : columns;
  return [splitPhase(ranges, (range) => {
    const [rowRange, columnRange] = byRows
      ? [range, { start: 0, end: columns }]
      : [{ start: 0, end: rows }, range];
    return chunks(columnRange, width).map(({ start, end }) => ({
      function: name,
      arguments: [rowRange.start, rowRange.end, start, end, ...addresses],
    }));
  })];
}

/**
 * Whether an operand moves by cache lines along the columns and within lines along the rows, as in
 * a transposition: narrow strips of columns then use each line for several rows.
 */
function readsAcrossLines({ strides }: LoopNest): boolean {
  return strides.some((of) => {
    const [row, column] = [of.at(-2) ?? 0, of.at(-1) ?? 0];
    return column >= lineElements && row > 0 && row < lineElements;
  });
}
