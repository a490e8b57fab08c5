/**
 * The end of every matrix product: the epilogue and the store.
 *
 * @module
 */
import { load } from "../../expression.ts";
import type { MatmulStep } from "../../program.ts";
import { formatShape } from "../../shape.ts";
import { bindOperands, type IterationSpace, iterationSpace } from "../../webgpu/operands.ts";
import {
  type BindingTable,
  expressionFunctions,
  renderExpression,
  type Width,
} from "../../webgpu/wgsl.ts";

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

/** How a kernel writes its results. */
export class MatmulOutput {
  /** Elements written at once along a row. */
  readonly width: Width;
  readonly #step: MatmulStep;
  readonly #space: IterationSpace;

  /** @param widest 1 when the kernel has scalars to store */
  constructor(step: MatmulStep, widest: Width) {
    this.#step = step;
    const allowed = step.n % 4 === 0 && !isShared(step) ? widest : 1;
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
${bound.place(target)} = ${result.value};
}`;
  }
}
