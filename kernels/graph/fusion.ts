/**
 * Fusion: element-wise work moves into the kernels next to it, so that intermediate results that
 * only one consumer reads never go through memory.
 *
 * Four rules, applied from the inputs to the roots:
 * 1. element-wise into element-wise (one expression);
 * 2. a matrix product into the element-wise node that reads it (an epilogue);
 * 3. element-wise into the reduction that reads it, and a reduction into the element-wise node that
 *    finishes it;
 * 4. the sum of a layer norm's gradient and a residual gradient (one pass).
 *
 * @module
 */
import { binary, type Expression, load, substitute } from "../expression.ts";
import { ElementwiseNode } from "../ops/elementwise/op.ts";
import { LayerNormGradientNode } from "../ops/layer_norm/op.ts";
import { MatmulNode } from "../ops/matmul/op.ts";
import { ReduceNode } from "../ops/reduce/op.ts";
import { arithmeticType, sameShape, type Shape } from "../shape.ts";
import type { Node, Tensor } from "../tensor.ts";
import type { Graph } from "./graph.ts";
import { rewrite } from "./rewrite.ts";

/**
 * Operands a fused kernel may read. WebGPU guarantees 8 storage buffers a kernel; one is the output,
 * and a product needs two for its factors.
 */
const maximumOperands = 7;
const maximumEpilogueOperands = 5;

/** Applies the fusion rules to a whole graph. */
export function fuse(graph: Graph): Graph {
  const inPlace = new Set(
    graph.updates.filter(({ state, value }) => value.node.inputs.includes(state))
      .map(({ value }) => value.node),
  );
  return rewrite(graph, (node, original, context) => {
    const exclusive = original.inputs.map((tensor) => context.uses(tensor) === 1);
    if (node instanceof ElementwiseNode) {
      return fuseElementwise(node, exclusive, !inPlace.has(original));
    }
    if (node instanceof ReduceNode) return fuseIntoReduce(node, exclusive);
    return node;
  });
}

/** An expression over a list of different tensors, built up while producers are inlined. */
class Operands {
  readonly tensors: Tensor[] = [];

  /** The expression that loads a tensor, adding the tensor when it is new. */
  load(tensor: Tensor): Expression {
    let index = this.tensors.indexOf(tensor);
    if (index < 0) index = this.tensors.push(tensor) - 1;
    return load(index, arithmeticType(tensor.dtype));
  }
}

/**
 * Inlines element-wise producers of shape `shape` that only this consumer reads.
 *
 * @returns the merged expression and its operands
 */
function inlineProducers(
  expression: Expression,
  inputs: readonly Tensor[],
  exclusive: readonly boolean[],
  shape: Shape,
): { expression: Expression; tensors: readonly Tensor[] } {
  const inlined = inputs.map(({ node }, index) =>
    exclusive[index] && node instanceof ElementwiseNode && sameShape(node.outputs[0].shape, shape)
      ? node
      : undefined
  );
  // Leave out the producers with most operands until what remains fits one kernel.
  for (;;) {
    const operands = new Operands();
    const loads = inputs.map((tensor, index) => {
      const producer = inlined[index];
      if (!producer) return operands.load(tensor);
      return substitute(producer.expression, producer.inputs.map((t) => operands.load(t)));
    });
    const largest = indexOfLargest(inlined);
    if (operands.tensors.length <= maximumOperands || largest < 0) {
      return { expression: substitute(expression, loads), tensors: operands.tensors };
    }
    inlined[largest] = undefined;
  }
}

function indexOfLargest(producers: readonly (ElementwiseNode | undefined)[]): number {
  const sizes = producers.map((producer) => producer ? producer.inputs.length : -1);
  const largest = Math.max(...sizes, -1);
  return largest < 0 ? -1 : sizes.indexOf(largest);
}

/** @param movable false when the node must stay element-wise, because only that works in place */
function fuseElementwise(
  node: ElementwiseNode,
  exclusive: readonly boolean[],
  movable: boolean,
): Node {
  const residual = movable && fuseResidualGradient(node, exclusive);
  if (residual) return residual;
  const { shape } = node.outputs[0];
  const { expression, tensors } = inlineProducers(node.expression, node.inputs, exclusive, shape);
  const owned = new Set(node.inputs.filter((_, index) => exclusive[index]));
  const base = movable &&
    tensors.find((tensor) =>
      owned.has(tensor) && sameShape(tensor.shape, shape) && expression.type === "f32" &&
      (canEndProduct(tensor.node, tensors.length) || canFinish(tensor.node, tensors.length))
    );
  if (base && base.node instanceof MatmulNode) {
    return intoEpilogue(base.node, base, expression, tensors);
  }
  if (base && base.node instanceof ReduceNode) return intoFinish(base.node, expression);
  return new ElementwiseNode(expression, tensors, shape);
}

function canEndProduct(node: Node, operands: number): boolean {
  return node instanceof MatmulNode &&
    node.inputs.length - 2 + operands - 1 <= maximumEpilogueOperands;
}

function canFinish(node: Node, operands: number): boolean {
  return node instanceof ReduceNode && operands === 1;
}

/** Rule 2: the consumer becomes (the continuation of) the product's epilogue. */
function intoEpilogue(
  product: MatmulNode,
  result: Tensor,
  expression: Expression,
  tensors: readonly Tensor[],
): Node {
  const [a, b, ...known] = product.inputs;
  const operands = new Operands();
  known.forEach((tensor) => operands.load(tensor));
  // Operand 0 of an epilogue is the product itself, so its other operands count from 1.
  const shifted = (tensor: Tensor): Expression => {
    const { input } = operands.load(tensor) as Expression & { op: "load" };
    return load(input + 1, arithmeticType(tensor.dtype));
  };
  const before = product.epilogue ?? load(0);
  const loads = tensors.map((tensor) => tensor === result ? before : shifted(tensor));
  return new MatmulNode(a, b, substitute(expression, loads), operands.tensors);
}

/** Rule 3, second half: scalar work after a reduction. */
function intoFinish(node: ReduceNode, expression: Expression): Node {
  const finish = substitute(expression, [node.finish]);
  return new ReduceNode(
    node.operator,
    node.axes,
    node.expression,
    finish,
    node.inputs,
    node.fullShape,
  );
}

/** Rule 3, first half: scalar work before a reduction. */
function fuseIntoReduce(node: ReduceNode, exclusive: readonly boolean[]): Node {
  const { expression, tensors } = inlineProducers(
    node.expression,
    node.inputs,
    exclusive,
    node.fullShape,
  );
  if (tensors.length === 0) return node;
  return new ReduceNode(node.operator, node.axes, expression, node.finish, tensors, node.fullShape);
}

/** Rule 4: `gradient of a layer norm + residual gradient`. */
function fuseResidualGradient(
  node: ElementwiseNode,
  exclusive: readonly boolean[],
): Node | undefined {
  if (node.expression !== binary("add", load(0), load(1))) return undefined;
  const position = node.inputs.findIndex((tensor, index) =>
    exclusive[index] && tensor.node instanceof LayerNormGradientNode && !tensor.node.addend
  );
  if (position < 0) return undefined;
  const [gradient, addend] = [node.inputs[position], node.inputs[1 - position]];
  if (!sameShape(gradient.shape, addend.shape)) return undefined;
  return (gradient.node as LayerNormGradientNode).withAddend(addend);
}
