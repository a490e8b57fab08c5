/**
 * Reference element-wise operations, reductions and matrix products.
 *
 * @module
 */
import { evaluate } from "../../kernels/expression.ts";
import type { ElementwiseStep } from "../../kernels/ops/elementwise/step.ts";
import type { MatmulStep, MatrixView } from "../../kernels/ops/matmul/step.ts";
import type { ReduceStep } from "../../kernels/ops/reduce/step.ts";
import type { WidenStep } from "../../kernels/ops/widen/step.ts";
import { elementCount } from "../../kernels/shape.ts";
import { indices, type Memory, read, sum, write } from "./memory.ts";

/** Evaluates the expression at every element. */
export function elementwise(step: ElementwiseStep, memory: Memory): void {
  for (const index of indices(step.output.shape)) {
    const operands = step.inputs.map((input) => read(memory, input, ...index));
    write(memory, step.output, index, evaluate(step.expression, operands));
  }
}

/** Copies whole buffers: the memory holds every number in double precision already. */
export function widen({ input, output }: WidenStep, memory: Memory): void {
  memory[output.buffer].set(memory[input.buffer]);
}

/** Reduces the trailing axes of the inputs. */
export function reduce(step: ReduceStep, memory: Memory): void {
  const reducedShape = step.inputs[0].shape.slice(step.output.shape.length);
  for (const outer of indices(step.output.shape)) {
    let result = step.operator === "sum" ? 0 : -Infinity;
    for (const inner of indices(reducedShape)) {
      const operands = step.inputs.map((input) => read(memory, input, ...outer, ...inner));
      const value = evaluate(step.expression, operands);
      result = step.operator === "sum" ? result + value : Math.max(result, value);
    }
    write(memory, step.output, outer, evaluate(step.finish, [result]));
  }
}

/** Element (row, column) of one matrix of a batch. */
function element(
  memory: Memory,
  matrix: MatrixView,
  batch: number,
  row: number,
  column: number,
): number {
  const { buffer, offset, batchStride, rowStride, columnStride } = matrix;
  return memory[buffer][offset + batch * batchStride + row * rowStride + column * columnStride];
}

/** Batched matrix product followed by the epilogue. */
export function matmul(step: MatmulStep, memory: Memory): void {
  const { batch, m, n, k, a, b } = step;
  if (elementCount(step.output.shape) !== batch * m * n) {
    throw new RangeError(`matmul: ${batch} x ${m} x ${n} into (${step.output.shape})`);
  }
  let flat = 0;
  for (const index of indices(step.output.shape)) {
    const column = flat % n;
    const row = Math.floor(flat / n) % m;
    const product = Math.floor(flat / (n * m));
    const value = sum(
      k,
      (i) => element(memory, a, product, row, i) * element(memory, b, product, i, column),
    );
    const operands = step.epilogueInputs.map((input) => read(memory, input, ...index));
    const result = step.epilogue ? evaluate(step.epilogue, [value, ...operands]) : value;
    write(memory, step.output, index, result);
    flat++;
  }
}
