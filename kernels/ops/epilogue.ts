/**
 * Element-wise work over a list of different tensors, put together from several pieces: what fusion
 * and the epilogues of operations are made of.
 *
 * @module
 */
import { type Expression, load, substitute, valueInputs } from "../expression.ts";
import { arithmeticType } from "../shape.ts";
import type { ElementWork, Tensor } from "../tensor.ts";

/** The operands of an expression, each once, built up while pieces are added. */
export class Operands {
  /** In the order in which they were first loaded. */
  readonly tensors: Tensor[] = [];

  /** The expression that loads a tensor, adding the tensor when it is new. */
  load(tensor: Tensor): Expression {
    let index = this.tensors.indexOf(tensor);
    if (index < 0) index = this.tensors.push(tensor) - 1;
    return load(index, arithmeticType(tensor.dtype));
  }
}

/** What an operation does with its result before storing it: `load(0)` is the result itself and
 * `load(i + 1)` is `operands[i]`. */
export interface Epilogue {
  /** Of one element. */
  readonly expression: Expression;
  /** Operands besides the result. */
  readonly operands: readonly Tensor[];
}

/**
 * The operands of an epilogue whose values reach what is stored.
 *
 * @param expression undefined when the result is stored as it is
 */
export function epilogueValues(
  expression: Expression | undefined,
  operands: readonly Tensor[],
): readonly Tensor[] {
  const used = expression ? valueInputs(expression) : [];
  return used.flatMap((index) => index === 0 ? [] : [operands[index - 1]]);
}

/**
 * An epilogue continued by work that reads the operation's result.
 *
 * @param maximum operands that the operation's kernels can read besides those of their own
 * @returns undefined when the two together read more
 */
export function extendEpilogue(
  before: Epilogue,
  work: ElementWork,
  result: Tensor,
  maximum: number,
): Epilogue | undefined {
  if (before.operands.length + work.operands.length - 1 > maximum) return undefined;
  // Operand 0 of an epilogue is the result itself: it holds that place among the others.
  const operands = new Operands();
  [result, ...before.operands].forEach((tensor) => operands.load(tensor));
  const loads = work.operands.map((tensor) =>
    tensor === result ? before.expression : operands.load(tensor)
  );
  return {
    expression: substitute(work.expression, loads),
    operands: operands.tensors.slice(1),
  };
}
