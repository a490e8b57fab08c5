/**
 * The end of every matrix product: the epilogue and the store, in the product's kernel or apart.
 *
 * @module
 */
import { type Expression, load } from "../../expression.ts";
import type { View } from "../../view.ts";
import type { ElementwiseStep } from "../elementwise/step.ts";
import { formatShape } from "../../shape.ts";
import type { Dispatch, WebGPUContext } from "../../webgpu/lowering.ts";
import { bindOperands, type IterationSpace, iterationSpace } from "../../webgpu/emit/operands.ts";
import {
  type BindingTable,
  expressionFunctions,
  renderExpression,
  type Width,
} from "../../webgpu/emit/wgsl.ts";
import { lowerElementwise } from "../elementwise/wgsl.ts";
import type { MatmulStep } from "./step.ts";

/** Name of a product in messages: the step kind and its shapes. */
export function matmulLabel({ batch, m, n, k, output }: MatmulStep): string {
  const batches = batch > 1 ? `${batch} x ` : "";
  return `matmul ${batches}(${m}, ${k}) (${k}, ${n}) to ${formatShape(output.shape)}`;
}

/** Whether an operand's buffer is bound for another purpose too, which forbids vector bindings. */
export function isShared(step: MatmulStep): boolean {
  const operands = [step.a, step.b, step.output, ...step.epilogueInputs];
  return [step.a, step.b].some((operand) =>
    operands.some((other) => other !== operand && other.buffer === operand.buffer)
  );
}

/**
 * Lowers a product whose epilogue is an element-wise step of its own. The product is built up in the
 * output itself, or in scratch memory where the epilogue still needs what the output holds, and where
 * that is in half precision, which no sum must be kept in.
 *
 * @param lower lowers the product without its epilogue
 */
export function finishApart(
  step: MatmulStep,
  context: WebGPUContext,
  lower: (plain: MatmulStep) => Dispatch[],
): Dispatch[] {
  const { epilogueInputs, output, batch, m, n } = step;
  const isHalf = output.dtype === "f16";
  if (!step.epilogue && !isHalf) return lower(step);
  const { epilogue = load(0) } = step;
  const isApart = isHalf || epilogueInputs.some(({ buffer }) => buffer === output.buffer);
  const product: View = isApart
    ? { ...output, buffer: context.scratch(4 * batch * m * n), offset: 0, dtype: "f32" }
    : output;
  const finish: ElementwiseStep = {
    kind: "elementwise",
    inputs: [product, ...epilogueInputs],
    expression: epilogue,
    output,
  };
  const plain = { ...step, output: product, epilogue: undefined, epilogueInputs: [] };
  return [...lower(plain), ...lowerElementwise(finish, context)];
}

/** A result and what is done to it before it is stored. */
export interface FinishedOutput {
  readonly output: View;
  /** `load(0)` is the result, `load(i + 1)` is `epilogueInputs[i]`. */
  readonly epilogue?: Expression;
  readonly epilogueInputs: readonly View[];
}

/** How a kernel writes its results. */
export class MatmulOutput {
  /** Elements written at once along a row. */
  readonly width: Width;
  readonly #step: FinishedOutput;
  readonly #space: IterationSpace;

  /**
   * @param widest 1 when the kernel has scalars to store, or binds the buffer of an operand for
   * another purpose too
   */
  constructor(step: FinishedOutput, widest: Width) {
    this.#step = step;
    const allowed = step.output.shape[step.output.shape.length - 1] % 4 === 0 ? widest : 1;
    this.#space = iterationSpace(step.output.shape, this.#operands(), { widest: allowed });
    this.width = this.#space.width;
  }

  #operands() {
    return [...this.#step.epilogueInputs, this.#step.output];
  }

  /** Functions that the epilogue calls. */
  get functions(): string {
    return expressionFunctions([this.#step.epilogue ?? load(0)], this.width);
  }

  /**
   * A block that stores `value` as the elements that start at row-major number `element` of the
   * output (both WGSL expressions; the number is a multiple of `width`).
   */
  store(table: BindingTable, element: string, value: string): string {
    const { epilogue = load(0), epilogueInputs } = this.#step;
    const target = epilogueInputs.length;
    const bound = bindOperands(table, this.#space, this.#operands(), "point", {
      writes: [target],
    });
    const result = renderExpression(
      epilogue,
      (input) => input === 0 ? "product" : bound.load(input - 1),
      { width: this.width },
    );
    return `{
let point = ${this.width === 4 ? `(${element}) / 4u` : element};
let product = ${value};
${bound.statements}
${result.statements}
${bound.store(target, result.value)}
}`;
  }
}
